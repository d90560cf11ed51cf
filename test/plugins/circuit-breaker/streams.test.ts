import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'undici'
import { until } from '../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'
import { type BreakerGateway, startBreakerGateway } from './breaker-gateway.ts'

const CONFIG = {
  minimum_calls: 2,
  connection_failures: 2,
  open_ms: 50,
  max_open_ms: 50,
  open_jitter: 0,
  half_open_permits: 1,
  probe_timeout_ms: 300,
  recovery_ms: 0,
}

/** How long a download takes: several times what a probe may take. */
const DOWNLOAD_MS = 1200

describe('a breaker of requests that last', function () {
  this.timeout(60_000)
  let upstream: TestUpstream
  let world: BreakerGateway
  let isWell = true
  let refusals = 0
  const open: WebSocket[] = []

  const serve: RequestListener = async (request, response) => {
    if (!isWell) return void response.writeHead(500).end()
    if (request.url === '/quick') return void response.end('quick')
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write('data: tick\n\n'), 50)
      response.on('close', () => clearInterval(timer))
      return
    }
    for (let sent = 0; sent < DOWNLOAD_MS; sent += 50) {
      response.write('x'.repeat(1000))
      await pause(50)
    }
    response.end()
  }

  before(async () => {
    upstream = await startUpstream(serve, {
      onUpgrade(request, socket) {
        if (!isWell) {
          refusals += 1
          return void socket.end('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n')
        }
        const key = request.headers['sec-websocket-key'] ?? ''
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        const timer = setInterval(() => socket.write(Buffer.from([0x81, 0x01, 0x2e])), 50)
        socket.on('close', () => clearInterval(timer))
        socket.on('error', () => {})
        // All that a client of this test sends is its close frame.
        socket.on('data', () => socket.end(Buffer.from([0x88, 0x00])))
      },
    })
    // Long enough for a stream that ticks, however busy the machine is.
    world = await startBreakerGateway(30_000)
  })
  afterEach(() => {
    isWell = true
    for (const socket of open.splice(0)) socket.close()
  })
  after(async () => {
    await world?.close()
    await upstream?.close()
  })

  /** Resolves once it is open, or refused. */
  async function connect(route: string): Promise<'open' | 'refused'> {
    const socket = new WebSocket(`${world.gateway.proxyUrl.replace('http', 'ws')}${route}/socket`)
    const outcome = await Promise.race([
      once(socket, 'open').then(() => 'open' as const),
      once(socket, 'error').then(() => 'refused' as const),
    ])
    if (outcome === 'open') open.push(socket)
    return outcome
  }

  /** Resolves with the answer's head; the client leaves before its body. */
  async function status(path: string, headers: Record<string, string> = {}): Promise<number> {
    const leave = new AbortController()
    const response = await fetch(`${world.gateway.proxyUrl}${path}`, { headers, signal: leave.signal })
    leave.abort()
    return response.status
  }

  /** Lets the upstream fail until the breaker is open; it is well afterwards. */
  async function trip(route: string): Promise<void> {
    isWell = false
    await until('the breaker opens', async () => (await status(`${route}/quick`)) === 503)
    isWell = true
  }

  /** Resolves once twenty have succeeded one after the other. */
  async function heals(succeeds: () => Promise<boolean>): Promise<void> {
    let inARow = 0
    await until('the breaker heals', async () => {
      inARow = (await succeeds()) ? inARow + 1 : 0
      return inARow === 20
    })
  }

  for (const [name, entry] of [
    ['circuit-breaker', undefined],
    ['sluice', (breaker: object) => ({ name: 'sluice', config: { circuit_breaker: breaker } })],
  ] as const) {
    it(`heals a service of WebSockets only, while they stay open (${name})`, async () => {
      const route = await world.addService(upstream.server, CONFIG, entry)
      await trip(route)
      await heals(async () => (await connect(route)) === 'open')
      assert.ok(open.every(socket => socket.readyState === WebSocket.OPEN))
    })

    it(`heals a service of server-sent streams only, while they stay open (${name})`, async () => {
      const route = await world.addService(upstream.server, CONFIG, entry)
      await trip(route)
      const streams: Response[] = []
      const leave = new AbortController()
      await heals(async () => {
        const headers = { accept: 'text/event-stream' }
        const stream = await fetch(`${world.gateway.proxyUrl}${route}/events`, {
          headers,
          signal: leave.signal,
        })
        if (stream.status === 200) streams.push(stream)
        else await stream.body?.cancel()
        return stream.status === 200
      })
      assert.ok(streams.length >= 20)
      leave.abort()
    })

    it(`heals by a download that takes longer than a probe may (${name})`, async () => {
      const route = await world.addService(upstream.server, CONFIG, entry)
      await trip(route)
      let bytes = 0
      await until('the breaker heals', async () => {
        const download = await fetch(`${world.gateway.proxyUrl}${route}/download`)
        if (download.status === 200) bytes = (await download.arrayBuffer()).byteLength
        else await download.body?.cancel()
        return download.status === 200
      })
      assert.equal(bytes, (DOWNLOAD_MS / 50) * 1000)
      await heals(async () => (await status(`${route}/quick`)) === 200)
    })

    it(`opens again while WebSockets are refused (${name})`, async () => {
      const route = await world.addService(upstream.server, CONFIG, entry)
      await trip(route)
      isWell = false
      refusals = 0
      const startedMs = performance.now()
      for (let i = 0; i < 200; i++) {
        assert.equal(await connect(route), 'refused')
        await pause(2)
      }
      // One probe each time that the open time is over.
      const most = 2 + (performance.now() - startedMs) / CONFIG.open_ms
      assert.ok(refusals > 0 && refusals <= most, `${refusals} of 200 reached an upstream that refuses`)
    })
  }

  it('counts a WebSocket against its subject until it closes', async () => {
    const limits = [{ name: 'minute', requests: 1000, per: 60 }]
    const qos = { tiers: { all: { limits, concurrency: 1 } }, default_tier: 'all' }
    const route = await world.addService(upstream.server, CONFIG, () => ({ name: 'sluice', config: { qos } }))
    assert.equal(await connect(route), 'open')
    assert.equal(await connect(route), 'refused')
    open.pop()?.close()
    await until('the slot is free', async () => (await connect(route)) === 'open')
  })
})
