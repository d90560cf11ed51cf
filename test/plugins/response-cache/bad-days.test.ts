import assert from 'node:assert/strict'
import { request } from 'node:http'
import { until } from '../../support/until.ts'
import { type CacheNodes, cacheable, startCacheNodes } from './cache-nodes.ts'

const TEXT = 'cache-control: max-age=60\r\ncontent-type: text/plain\r\n'

describe('response-cache with a service that misbehaves', function () {
  this.timeout(60_000)
  let node: CacheNodes

  before(async () => {
    node = await startCacheNodes(1, undefined, {
      uncacheable_seconds: 0,
      fill_timeout_ms: 60_000,
      follow_client_ms: 100,
    })
  })
  beforeEach(() => {
    node.service.requests = 0
    node.service.handle = cacheable()
  })
  after(() => node.close())

  /** Writes an answer as it stands, and then ends the connection. */
  const raw = (text: string) => {
    node.service.handle = (_, response) => {
      response.socket?.end(text)
    }
  }
  const isNotStored = async (path: string) => {
    node.service.handle = cacheable()
    assert.doesNotMatch((await node.ask(0, path)).cache, /hit/)
  }

  it('does not store a body that breaks off', async () => {
    raw(`HTTP/1.1 200 OK\r\n${TEXT}content-length: 100\r\n\r\nfirst half`)
    await node.ask(0, '/cut')
    await isNotStored('/cut')
  })

  it('does not store a chunked body that breaks off', async () => {
    raw(`HTTP/1.1 200 OK\r\n${TEXT}transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n`)
    await node.ask(0, '/chunked')
    await isNotStored('/chunked')
  })

  it('serves the stale answer for a body that breaks off', async () => {
    node.service.handle = cacheable('max-age=0, stale-if-error=60')
    const first = await node.ask(0, '/stale')
    raw(`HTTP/1.1 200 OK\r\n${TEXT}content-length: 100\r\n\r\nfirst half`)
    const stale = await node.ask(0, '/stale')
    assert.equal(stale.body, first.body)
    assert.match(stale.cache, /stale-if-error/)
  })

  it('gives the client what comes beyond the stated length no second time', async () => {
    raw(`HTTP/1.1 200 OK\r\n${TEXT}content-length: 5\r\n\r\nfirst and much more`)
    assert.equal((await node.ask(0, '/longer')).body, 'first')
    assert.equal((await node.ask(0, '/longer')).body, 'first')
  })

  it('stores no answer with more fields than Kong shows', async () => {
    node.service.handle = (_, response) => {
      for (let i = 0; i < 150; i++) response.setHeader(`x-field-${i}`, 'x'.repeat(50))
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.end('many')
    }
    assert.match((await node.ask(0, '/many')).cache, /detail=too-large/)
    await isNotStored('/many')
  })

  it('finds out by itself that an answer varies, also for those who wait', async () => {
    node.service.handle = (asked, response) => {
      const language = asked.headers['accept-language']
      setImmediate(() => {
        response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'accept-language' })
        response.end(language)
      })
    }
    const languages = Array.from({ length: 30 }, (_, index) => ['de', 'en', 'fr'][index % 3] ?? '')
    const bodies = await Promise.all(
      languages.map(async language => {
        const { body } = await node.ask(0, '/varies', { headers: { 'accept-language': language } })
        return body
      }),
    )
    assert.deepEqual(bodies, languages)
  })

  it('serves the others when the client leaves whose request fetches the answer', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const { service } = node
    service.handle = (asked, response, count) => void held.then(() => cacheable()(asked, response, count))
    const port = node.nodes[0]?.proxyPort
    const leaving = request({ host: '127.0.0.1', port, path: '/left', headers: { host: 'shop.example' } })
    leaving.on('error', () => {})
    leaving.end()
    await until(() => service.requests === 1)
    const others = Array.from({ length: 5 }, () => node.ask(0, '/left'))
    leaving.destroy()
    release()
    for (const { status } of await Promise.all(others)) assert.equal(status, 200)
  })

  it('keeps a request whose key Kong has hidden away from stale answers, not from the service', async () => {
    const [gateway] = node.nodes
    assert.ok(gateway)
    await gateway.admin('POST', '/services/shop/plugins', {
      name: 'key-auth',
      config: { hide_credentials: true },
    })
    await gateway.admin('POST', '/consumers', { username: 'eddie' })
    await gateway.admin('POST', '/consumers/eddie/key-auth', { key: 'hidden-key' })
    const headers = { apikey: 'hidden-key' }
    node.service.handle = cacheable('max-age=0, stale-if-error=60, stale-while-revalidate=0')
    const first = await node.ask(0, '/hidden', { headers })
    const second = await node.ask(0, '/hidden', { headers })
    assert.equal(first.status, 200)
    assert.equal(second.status, 200)
    assert.notEqual(second.body, first.body)
  })
})
