import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Peer } from './balancer.ts'
import type { ClientResponse } from './client-response.ts'
import type { Destination, Exchange, Try } from './exchange.ts'
import { beginTry, type ForwardOptions } from './forward.ts'
import { HeaderMap } from './header-map.ts'
import { openRequest } from './node-request.ts'
import { hostFor, requestHead } from './request-head.ts'
import { rawHead, takeUpstreamHead } from './response-head.ts'

/** The connection of a client that asked for an upgrade. */
export interface Upgrade {
  readonly socket: Duplex
  /** What the client sent behind the head of its request. */
  readonly head: Buffer
}

/** Sends an upgrade to the upstream, and joins both connections when it agrees; another answer is passed on. */
export class Tunnel {
  readonly #exchange: Exchange
  readonly #response: ClientResponse
  readonly #upgrade: Upgrade
  readonly #options: ForwardOptions
  #startMs = 0
  #finish: (isThrough: boolean) => void = () => {}

  constructor(exchange: Exchange, response: ClientResponse, upgrade: Upgrade, options: ForwardOptions) {
    this.#exchange = exchange
    this.#response = response
    this.#upgrade = upgrade
    this.#options = options
  }

  /** @returns true when it is through, false when the gateway must answer itself */
  async run(destination: Destination): Promise<boolean> {
    const exchange = this.#exchange
    exchange.tries = []
    const peer = await this.#options.balancer.peers(exchange, destination.host, destination.port).next()
    if (!('ip' in peer)) {
      exchange.respondError(peer.status, peer.message)
      return false
    }
    exchange.proxied = true
    this.#startMs = this.#options.now()
    const current = beginTry(exchange, peer, this.#startMs)
    return new Promise(resolve => {
      this.#finish = isThrough => {
        peer.release()
        resolve(isThrough)
      }
      this.#ask(destination, peer, current)
    })
  }

  #ask(destination: Destination, peer: Peer, current: Try): void {
    const head = requestHead(this.#exchange, hostFor(destination, peer))
    head.push('Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket')
    const request = openRequest(this.#exchange, destination, peer, head)
    const { readTimeoutMs } = destination
    request.on('upgrade', (answer, upstream, first) => this.#join(answer, upstream, first, readTimeoutMs))
    request.on('response', answer => this.#pass(answer))
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
    request.on('error', error => this.#failed(error, current))
    this.#upgrade.socket.once('close', () => request.destroy())
    request.end()
  }

  #answered(answer: IncomingMessage): void {
    const exchange = this.#exchange
    exchange.waitingMs = this.#options.now() - this.#startMs
    exchange.upstreamStatus = String(answer.statusCode)
    takeUpstreamHead(exchange, answer.statusCode ?? 502, HeaderMap.fromRaw(answer.rawHeaders))
  }

  #join(answer: IncomingMessage, upstream: Duplex, first: Buffer, readTimeoutMs: number): void {
    const { responseHeaders } = this.#exchange
    const { socket: client, head } = this.#upgrade
    this.#answered(answer)
    responseHeaders.set('Connection', 'Upgrade')
    responseHeaders.set('Upgrade', 'websocket')
    this.#options.onHead()
    const lines = rawHead(responseHeaders)
    let text = `HTTP/1.1 101 ${answer.statusMessage ?? 'Switching Protocols'}\r\n`
    for (let i = 0; i < lines.length; i += 2) text += `${lines[i]}: ${lines[i + 1]}\r\n`
    client.write(Buffer.from(`${text}\r\n`, 'latin1'))
    if (first.length > 0) client.write(first)
    if (head.length > 0) upstream.write(head)
    // The read timeout closes an idle tunnel, as in nginx; traffic in either direction keeps it open.
    answer.socket.setTimeout(readTimeoutMs, () => upstream.destroy())
    join(client, upstream, () => this.#finish(true))
  }

  /** Passes on the answer of an upstream that does not upgrade. */
  #pass(answer: IncomingMessage): void {
    const exchange = this.#exchange
    const response = this.#response
    this.#answered(answer)
    this.#options.onHead()
    response.sendHead(exchange.status, exchange.responseHeaders, 'passed')
    response.onDrain(() => answer.resume())
    response.onClose(() => this.#finish(true))
    answer.on('data', chunk => {
      if (!response.write(chunk)) answer.pause()
    })
    answer.on('end', () => response.end())
    answer.on('error', () => response.abort())
  }

  #failed(error: NodeJS.ErrnoException, current: Try): void {
    const exchange = this.#exchange
    if (exchange.upstreamStatus !== '') return
    exchange.status = error.code === 'ETIMEDOUT' ? 504 : 502
    exchange.upstreamStatus = String(exchange.status)
    exchange.waitingMs = this.#options.now() - this.#startMs
    Object.assign(current, { state: 'failed', code: exchange.status })
    this.#finish(false)
  }
}

/** Closes each side when the other has ended and all is written; the pipes apply back-pressure. */
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
