import { isIP } from 'node:net'
import { Attempt, type AttemptOptions } from './attempt.ts'
import type { Balancer, Peer, PeerSource } from './balancer.ts'
import type { ClientResponse } from './client-response.ts'
import type { Destination, Exchange, Try } from './exchange.ts'

export interface ForwardOptions
  extends Pick<AttemptOptions, 'pools' | 'now' | 'holds' | 'onHead' | 'filterBody'> {
  readonly balancer: Balancer
}

/** Sends a request to the upstream, with Kong's tries, and streams the response to the client. */
export class Forwarding {
  readonly #exchange: Exchange
  readonly #response: ClientResponse
  readonly #options: ForwardOptions
  readonly #statuses: number[] = []
  #attempt: Attempt | undefined
  #isClientGone = false

  constructor(exchange: Exchange, response: ClientResponse, options: ForwardOptions) {
    this.#exchange = exchange
    this.#response = response
    this.#options = options
  }

  /**
   * @returns when the response is through: true; false when the gateway must answer itself, which `exchange.exit`,
   * or else `exchange.status` as nginx's own error, tells.
   */
  async run(destination: Destination): Promise<boolean> {
    const exchange = this.#exchange
    exchange.tries = []
    if (destination.isAddress && isIP(destination.host) === 0) {
      this.#refuseName(destination)
      return false
    }
    const peers = this.#options.balancer.peers(exchange, destination.host, destination.port)
    const first = await peers.next()
    if (!('ip' in first)) {
      exchange.respondError(first.status, first.message)
      return false
    }
    const off = this.#response.onClose(() => {
      this.#isClientGone = true
      this.#attempt?.cancel()
    })
    try {
      return await this.#try(destination, peers, first)
    } finally {
      off()
    }
  }

  /** A plugin put a name in the place of an address, and nginx can't connect to a name. */
  #refuseName({ host, port }: Destination): void {
    this.#exchange.proxied = true
    beginTry(this.#exchange, { ip: host, port }, this.#options.now())
    this.#exchange.waitingMs = 0
    this.#exchange.status = 500
  }

  async #try(destination: Destination, peers: PeerSource, first: Peer): Promise<boolean> {
    const exchange = this.#exchange
    const body = await exchange.body.outgoing(exchange.route?.request_buffering ?? true)
    exchange.proxied = true
    let peer = first
    for (;;) {
      const current = beginTry(exchange, peer, this.#options.now())
      const { pools, now, holds, onHead, filterBody } = this.#options
      this.#attempt = new Attempt({
        ...{ exchange, response: this.#response, destination, peer, body },
        ...{ pools, now, holds, onHead, filterBody },
      })
      if (this.#isClientGone) this.#attempt.cancel()
      const outcome = await this.#attempt.start()
      if (outcome.kind === 'answered') return this.#answered(current, destination)
      if (outcome.kind === 'client gone') return this.#clientGone()
      this.#failed(current, outcome.status)
      const next = outcome.repeatable && this.#statuses.length <= destination.retries && (await peers.next())
      if (!next || !('ip' in next)) return this.#gaveUp(outcome.status)
      peer = next
    }
  }

  #answered(current: Try, { retries }: Destination): true {
    const exchange = this.#exchange
    this.#statuses.push(exchange.status)
    exchange.upstreamStatus = this.#statuses.join(', ')
    // With no try left, nginx counts any 5xx as a failed one.
    if (exchange.status > 499 && this.#statuses.length > retries)
      Object.assign(current, { state: 'failed', code: exchange.status })
    return true
  }

  #clientGone(): true {
    const exchange = this.#exchange
    exchange.upstreamStatus = [...this.#statuses, '-'].join(', ')
    exchange.status = 499
    exchange.waitingMs ??= this.#waited()
    return true
  }

  #failed(current: Try, status: number): void {
    this.#statuses.push(status)
    Object.assign(current, { state: 'failed', code: status })
  }

  #gaveUp(status: number): false {
    const exchange = this.#exchange
    exchange.upstreamStatus = this.#statuses.join(', ')
    exchange.status = status
    exchange.waitingMs = this.#waited()
    return false
  }

  #waited(): number {
    const { startedAtMs, proxyLatencyMs } = this.#exchange
    return this.#options.now() - startedAtMs - (proxyLatencyMs ?? 0)
  }
}

/** Records a try. @param nowMs milliseconds since the epoch */
export function beginTry(exchange: Exchange, { ip, port }: Pick<Peer, 'ip' | 'port'>, nowMs: number): Try {
  const current: Try = {
    balancer_start: nowMs,
    balancer_start_ns: nowMs * 1e6,
    balancer_latency: 0,
    balancer_latency_ns: 0,
    ip,
    port,
  }
  exchange.tries ??= []
  exchange.tries.push(current)
  exchange.proxyLatencyMs = nowMs - exchange.startedAtMs
  return current
}
