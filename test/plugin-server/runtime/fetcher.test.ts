import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFetcher, type Fetcher } from '../../../plugin-server/runtime/fetcher.ts'
import type { FetchAnswer } from '../../../sdk/fetch.ts'

describe("a plugin's calls to other services", () => {
  let server: Server
  let url: string
  let fetcher: Fetcher
  let most = 0
  const held: (() => void)[] = []

  before(async () => {
    let open = 0
    server = createServer((request, response) => {
      if (request.url?.startsWith('/never')) return
      if (request.url === '/half') {
        response.write('a')
        return
      }
      if (request.url === '/big') {
        response.end(Buffer.alloc(16 * 1024 * 1024 + 1))
        return
      }
      if (request.url === '/held') {
        most = Math.max(most, ++open)
        held.push(() => {
          open--
          response.end('held')
        })
        return
      }
      if (request.url === '/moved') {
        response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
        return
      }
      request.setEncoding('utf8')
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => response.end(`${request.method} ${request.headers['x-a']} ${body}`))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  beforeEach(() => {
    fetcher = createFetcher()
  })
  afterEach(() => fetcher.close())
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  it('send a method, headers and a body', async () => {
    const answer = await fetcher.fetch(url, { method: 'POST', headers: { 'x-a': '1' }, body: 'hello' })
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), 'POST 1 hello')
  })

  it('end at their deadline, also while a body comes', async () => {
    await assert.rejects(fetcher.fetch(`${url}/never?secret=1`, { timeoutMs: 50 }), {
      code: 'SLUICE_FETCH_TIMEOUT',
      message: `${url} did not answer within 50 ms`,
    })
    // On a busy machine the head alone may take longer than that.
    let half: FetchAnswer | undefined
    for (let timeoutMs = 100; !half; timeoutMs *= 2)
      half = await fetcher.fetch(`${url}/half`, { timeoutMs }).catch(() => undefined)
    await assert.rejects(half.text(), { name: 'TimeoutError' })
  })

  it('name the service that can not be reached, and nothing of the path', async () => {
    await assert.rejects(fetcher.fetch('http://127.0.0.1:1/path?key=secret'), (error: Error) => {
      assert.equal((error as unknown as { code: string }).code, 'SLUICE_FETCH_FAILED')
      assert.match(error.message, /^http:\/\/127\.0\.0\.1:1: /)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
    await assert.rejects(fetcher.fetch('nonsense'), { code: 'SLUICE_FETCH_FAILED' })
  })

  it('do not follow a redirect unless told to', async () => {
    assert.equal((await fetcher.fetch(`${url}/moved`)).status, 302)
  })

  it('end with a body that is too long, and with the process', async () => {
    const big = await fetcher.fetch(`${url}/big`, { timeoutMs: 20_000 })
    await assert.rejects(big.arrayBuffer())
    const options = { method: 'GET', headers: {}, body: undefined, timeoutMs: 20_000 }
    await assert.rejects(fetcher.call(`${url}/big`, options), { code: 'SLUICE_FETCH_FAILED' })
    const other = createFetcher()
    const waiting = assert.rejects(other.call(`${url}/never`, options), { code: 'SLUICE_FETCH_FAILED' })
    await other.fetch(url, { timeoutMs: 20_000 })
    await other.close()
    await waiting
  })

  it('share a bounded number of connections, and are refused beyond what may wait', async () => {
    const calls = Array.from({ length: 512 }, () => fetcher.fetch(`${url}/held`, { timeoutMs: 20_000 }))
    await assert.rejects(fetcher.fetch(`${url}/held`), /512 calls are in flight/)
    const settling = Promise.all(calls.map(async call => (await call).text()))
    const release = setInterval(() => {
      for (const end of held.splice(0)) end()
    }, 5)
    assert.equal((await settling).length, 512)
    clearInterval(release)
    assert.ok(most <= 32, `${most} at once`)
    assert.equal((await fetcher.fetch(url)).status, 200, 'who has been answered is not in flight')
  })
})
