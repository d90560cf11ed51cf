import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { connectRaw } from '../../../support/raw-http.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

/** Accepts requests and ends the connection without an answer. */
async function startBroken(): Promise<{ server: Server; port: number; requests: () => number }> {
  let requests = 0
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', chunk => {
      if (/^[A-Z]+ \//.test(chunk.toString('latin1'))) requests++
      socket.destroy()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port, requests: () => requests }
}

describe('tries to reach the upstream', () => {
  let gateway: RunningGateway
  let upstream: TestUpstream
  let broken: Awaited<ReturnType<typeof startBroken>>
  let bodies: string[]
  before(async () => {
    upstream = await startUpstream((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        bodies.push(body)
        response.end(request.headers.host)
      })
    })
    broken = await startBroken()
    gateway = await startTestGateway()
    const service = async (name: string, host: string, port: number, more: object = {}) => {
      await gateway.admin('POST', '/services', { name, host, port, ...more })
      await gateway.admin('POST', `/services/${name}/routes`, { paths: [`/${name}`] })
    }
    await service('broken', '127.0.0.1', broken.port, { retries: 2 })
    await service('mixed', 'mixed.pool', 80)
    await service('none', 'none.pool', 80)
    await service('names', 'no.such.name.invalid', 80)
    for (const name of ['mixed.pool', 'none.pool']) await gateway.admin('POST', '/upstreams', { name })
    for (const target of ['127.0.0.1:1', `127.0.0.1:${upstream.port}`])
      await gateway.admin('POST', '/upstreams/mixed.pool/targets', { target })
    await gateway.admin('POST', '/upstreams/none.pool/targets', { target: '127.0.0.1:1', weight: 0 })
  })
  beforeEach(() => {
    bodies = []
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
    broken.server.close()
  })

  it('are repeated as often as the service says', async () => {
    const before = broken.requests()
    const response = await fetch(`${gateway.proxyUrl}/broken`)
    assert.equal(response.status, 502)
    assert.equal(broken.requests() - before, 3)
  })

  it('are not repeated for a POST that was sent', async () => {
    const before = broken.requests()
    const response = await fetch(`${gateway.proxyUrl}/broken`, { method: 'POST', body: 'x' })
    assert.equal(response.status, 502)
    assert.equal(broken.requests() - before, 1)
  })

  it('go to the next target, with the body, when nobody listens at the first', async () => {
    for (let i = 0; i < 4; i++) {
      const response = await fetch(`${gateway.proxyUrl}/mixed`, { method: 'POST', body: `body ${i}` })
      assert.equal(response.status, 200)
      assert.equal(await response.text(), `127.0.0.1:${upstream.port}`)
    }
    assert.deepEqual(bodies, ['body 0', 'body 1', 'body 2', 'body 3'])
  })

  it('end in 503 when every target has weight 0, and when the name has no address', async () => {
    for (const path of ['/none', '/names']) assert.equal((await fetch(gateway.proxyUrl + path)).status, 503)
  })

  it('leave a request without an answer behind when the client is gone', async () => {
    const before = broken.requests()
    const client = await connectRaw(gateway.proxyPort)
    client.write('GET /broken HTTP/1.1\r\nHost: a\r\n\r\n')
    client.destroy()
    await sleep(100)
    assert.ok(broken.requests() - before <= 3)
  })
})

describe('the end of the gateway', () => {
  it('lets a request under way end, takes no new one, and closes idle connections', async () => {
    let answer: () => void = () => {}
    const upstream = await startUpstream((_, response) => {
      answer = () => response.end('done')
    })
    const gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
    await gateway.admin('POST', '/services/s/routes', { paths: ['/'] })
    const idle = await connectRaw(gateway.proxyPort)
    const busy = await connectRaw(gateway.proxyPort)
    busy.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const arrived = new Promise<void>(resolve => upstream.server.once('request', () => resolve()))
    await arrived
    const closed = gateway.close()
    await idle.closed
    await assert.rejects(connectRaw(gateway.proxyPort))
    answer()
    assert.match(await busy.closed, /\r\nConnection: close\r\n[\s\S]*done$/i)
    await closed
    await upstream.close()
  })
})
