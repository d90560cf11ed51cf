import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import type { ForwardOptions } from './forward.ts'
import { HeaderMap } from './header-map.ts'
import { hostFor, requestHead, requestTarget } from './request-head.ts'
import { rawHead, takeUpstreamHead } from './response-head.ts'

/**
 * Sends an upgrade to the upstream, and joins both connections when it agrees; another answer is passed on.
 *
 * @returns true when it is through, false when the gateway must answer itself
 */
export async function tunnel(
  exchange: Exchange,
  response: ServerResponse,
  head: Buffer,
  { balancer, now, onHead }: ForwardOptions,
): Promise<boolean> {
  const destination = exchange.destination!
  exchange.tries = []
  const peer = await balancer.peers(exchange, destination.host, destination.port).next()
  if (!('ip' in peer)) {
    exchange.respondError(peer.status, peer.message)
    return false
  }
  exchange.proxied = true
  const startMs = now()
  exchange.proxyLatencyMs = startMs - exchange.startedAtMs
  const current = {
    balancer_start: startMs,
    balancer_start_ns: startMs * 1e6,
    balancer_latency: 0,
    balancer_latency_ns: 0,
    ip: peer.ip,
    port: peer.port,
  }
  exchange.tries.push(current)
  const headers = requestHead(exchange, hostFor(destination, peer))
  headers.push('Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket')
  const client = response.socket as Duplex

  return new Promise(resolve => {
    const open = destination.scheme === 'https' ? httpsRequest : httpRequest
    const request = open({
      host: peer.ip,
      port: peer.port,
      method: exchange.method,
      path: requestTarget(exchange, destination),
      headers: headers as never,
      setHost: false,
      agent: false,
      timeout: destination.readTimeoutMs,
      ...(destination.scheme === 'https' && { rejectUnauthorized: false }),
    })
    const finish = (through: boolean) => {
      peer.release()
      resolve(through)
    }
    const answered = (answer: IncomingMessage) => {
      exchange.waitingMs = now() - startMs
      exchange.upstreamStatus = String(answer.statusCode)
      takeUpstreamHead(exchange, answer.statusCode ?? 502, HeaderMap.fromRaw(answer.rawHeaders))
    }
    request.on('upgrade', (answer, upstream, first) => {
      answered(answer)
      exchange.responseHeaders.set('Connection', 'Upgrade')
      exchange.responseHeaders.set('Upgrade', 'websocket')
      onHead(exchange)
      const lines = rawHead(exchange.responseHeaders)
      let text = `HTTP/1.1 101 ${answer.statusMessage ?? 'Switching Protocols'}\r\n`
      for (let i = 0; i < lines.length; i += 2) text += `${lines[i]}: ${lines[i + 1]}\r\n`
      client.write(Buffer.from(`${text}\r\n`, 'latin1'))
      if (first.length > 0) client.write(first)
      if (head.length > 0) upstream.write(head)
      // Idle sides are ended by the read timeout, as nginx does; both ways count as life.
      upstream.setTimeout(destination.readTimeoutMs, () => upstream.destroy())
      join(client, upstream, () => finish(true))
    })
    request.on('response', answer => {
      answered(answer)
      response.writeHead(exchange.status, onHead(exchange))
      answer.pipe(response)
      answer.on('error', () => response.destroy())
      response.once('close', () => finish(true))
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (exchange.upstreamStatus !== '') return
      exchange.status = error.code === 'ETIMEDOUT' ? 504 : 502
      exchange.upstreamStatus = String(exchange.status)
      exchange.waitingMs = now() - startMs
      Object.assign(current, { state: 'failed', code: exchange.status })
      finish(false)
    })
    client.once('close', () => request.destroy())
    request.end()
  })
}

/** Either side's end is the other's, once all was written; pipes hold back the faster one. */
function join(a: Duplex, b: Duplex, done: () => void): void {
  let open = 2
  const ended = () => {
    if (--open === 0) done()
  }
  a.pipe(b)
  b.pipe(a)
  a.once('finish', () => a.destroy())
  b.once('finish', () => b.destroy())
  a.on('error', () => b.destroy())
  b.on('error', () => a.destroy())
  a.once('close', () => {
    b.destroy()
    ended()
  })
  b.once('close', () => {
    a.destroy()
    ended()
  })
}
