import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { connectRaw } from '../../../support/raw-http.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

const accept = (key: string) =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

const upgrade = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`

describe('a WebSocket', () => {
  let gateway: RunningGateway
  let upstream: TestUpstream
  let heads: Record<string, unknown>[]
  let tunnels: Duplex[]
  before(async () => {
    upstream = await startUpstream(
      (request, response) => {
        response.writeHead(426, { 'x-reason': 'no upgrade' })
        response.end(`plain ${request.url}`)
      },
      {
        onUpgrade: (request, socket) => {
          heads.push({ ...request.headers, url: request.url })
          if (request.url?.startsWith('/refuse')) {
            socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
            return
          }
          const key = request.headers['sec-websocket-key'] ?? ''
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept(key)}\r\nX-Own: 1\r\n\r\n`,
          )
          tunnels.push(socket)
          socket.on('error', () => {})
          socket.on('data', chunk => socket.write(chunk))
        },
      },
    )
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
    await gateway.admin('POST', '/services/s/routes', { name: 'open', paths: ['/ws'] })
    await gateway.admin('POST', '/services/s/routes', { name: 'keyed', paths: ['/keyed'] })
    await gateway.admin('POST', '/routes/keyed/plugins', { name: 'key-auth' })
    await gateway.admin('POST', '/services', { name: 'dead', url: 'http://127.0.0.1:1' })
    await gateway.admin('POST', '/services/dead/routes', { paths: ['/dead'] })
  })
  beforeEach(() => {
    heads = []
    tunnels = []
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
  })

  it('is joined to the upstream, both ways, in the bytes that are sent', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(upgrade('/ws/chat?room=1'))
    const head = await client.until(text => text.includes('\r\n\r\n'))
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    assert.match(head, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
    assert.match(head, /\r\nUpgrade: websocket\r\n/i)
    assert.match(head, /\r\nX-Own: 1\r\n/)
    assert.match(head, /\r\nVia: 1\.1 kong\/3\.9\.3\r\n/)
    client.write(Buffer.from([0x81, 0x02, 0x68, 0x69]))
    await client.until(text => text.endsWith('\x81\x02hi'))
    assert.equal(heads[0]?.url, '/chat?room=1')
    assert.equal(heads[0]?.upgrade, 'websocket')
    assert.equal(heads[0]?.connection, 'keep-alive, Upgrade')
    const ended = once(tunnels[0]!, 'end')
    client.destroy()
    await ended
  })

  it('ends for the client when the upstream ends it', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(upgrade('/ws'))
    await client.until(text => text.includes('\r\n\r\n'))
    tunnels[0]!.destroy()
    await client.closed
  })

  it('takes what the client sent together with its request', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(`${upgrade('/ws')}early`)
    await client.until(text => text.endsWith('early'))
    client.destroy()
  })

  it('is refused by a plugin before the upstream hears of it', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(upgrade('/keyed'))
    const received = await client.closed
    assert.match(received, /^HTTP\/1\.1 401 /)
    assert.match(received, /No API key found in request/)
    assert.deepEqual(heads, [])
  })

  it('passes on an answer that is no upgrade', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(upgrade('/ws/refuse'))
    const received = await client.closed
    assert.match(received, /^HTTP\/1\.1 403 /)
    assert.ok(received.endsWith('\r\n\r\nno'))
  })

  it('gets a 502 when nobody listens upstream', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write(upgrade('/dead'))
    assert.match(await client.closed, /^HTTP\/1\.1 502 /)
  })

  it('is an ordinary request where another protocol is asked for', async () => {
    const client = await connectRaw(gateway.proxyPort)
    client.write('GET /ws/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    const received = await client.closed
    assert.match(received, /^HTTP\/1\.1 426 /)
    assert.match(received, /plain \/x/)
  })
})
