import assert from 'node:assert/strict'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createFetchText } from '../../management/catalogue/fetch-document.ts'
import { DocumentRefused } from '../../management/catalogue/openapi/parse.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { offerOf, route, service, serviceOf } from './rows.ts'

const BOUNDS = { maxBytes: 1_048_576, timeoutMs: 200 }

describe('fetching the document of a service', () => {
  let proxy: TestUpstream
  let answer: RequestListener
  let asked: IncomingMessage[]
  before(async () => {
    proxy = await startUpstream((request, response) => {
      asked.push(request)
      answer(request, response)
    })
  })
  after(() => proxy.close())
  beforeEach(() => {
    asked = []
  })

  const fetchIt = (routeMore: object = {}, bounds = { ...BOUNDS, timeoutMs: 60_000 }) => {
    const offer = offerOf(
      [service('api', { tags: ['openapi:%2Fopenapi.json'] })],
      [route('api', 'api', { paths: ['/api'], ...routeMore })],
    )
    return createFetchText(proxy.url, bounds)(serviceOf(offer, 'api'), offer)
  }
  const refused = (reason: RegExp) => (error: Error) =>
    error instanceof DocumentRefused && reason.test(error.message)

  it("asks Kong's proxy for it, with the host and the headers of the route", async () => {
    answer = (_, response) => response.end('text')
    assert.equal(await fetchIt({ hosts: ['api.example'], headers: { 'X-Version': ['2'] } }), 'text')
    const [{ url, headers } = assert.fail()] = asked
    assert.deepEqual([url, headers.host, headers['x-version']], ['/api/openapi.json', 'api.example', '2'])
  })

  it('follows no redirect', async () => {
    answer = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()
    await assert.rejects(fetchIt(), refused(/answers 302, and redirects are not followed/))
    assert.equal(asked.length, 1)
  })

  it('tells the status of an answer that is no document', async () => {
    answer = (_, response) => response.writeHead(401).end()
    await assert.rejects(fetchIt(), refused(/\/api\/openapi\.json answers 401$/))
  })

  it('reads a mebibyte and no more', async () => {
    answer = (_, response) => response.end('x'.repeat(BOUNDS.maxBytes))
    assert.equal((await fetchIt()).length, BOUNDS.maxBytes)
    answer = (_, response) => response.end('x'.repeat(BOUNDS.maxBytes + 1))
    await assert.rejects(fetchIt(), refused(/is larger than 1 MiB/))
  })

  it('gives up an answer that never ends', async () => {
    answer = (_, response) => void response.write('{')
    await assert.rejects(fetchIt({}, BOUNDS), refused(/did not answer within 0\.2 s/))
  })

  it('says so where no route leads there', async () => {
    await assert.rejects(
      fetchIt({ methods: ['POST'] }),
      refused(/no route of the gateway leads to \/openapi\.json/),
    )
    assert.equal(asked.length, 0)
  })

  it('tells that nobody listens', async () => {
    const offer = offerOf([service('api', { tags: ['openapi:x'] })], [route('api', 'api', { paths: ['/'] })])
    await assert.rejects(
      createFetchText('http://127.0.0.1:1')(serviceOf(offer, 'api'), offer),
      refused(/failed: /),
    )
  })
})
