import type { Dispatcher } from '../../../foundation/undici.ts'
import type { Peer } from './balancer.ts'
import type { OutgoingBody } from './body.ts'
import type { ClientResponse } from './client-response.ts'
import type { Destination, Exchange } from './exchange.ts'
import type { HeaderMap } from './header-map.ts'
import { dispatchBare, getsLength, openRequest } from './node-request.ts'
import { hostFor, requestHead, requestTarget } from './request-head.ts'
import { readRawHead, takeUpstreamHead } from './response-head.ts'
import type { UpstreamPools } from './upstream-pool.ts'

/** How a try to get a response went. */
export type Outcome =
  | { readonly kind: 'answered' }
  | { readonly kind: 'failed'; readonly status: number; readonly repeatable: boolean }
  | { readonly kind: 'client gone' }

export interface AttemptOptions {
  readonly exchange: Exchange
  readonly response: ClientResponse
  readonly destination: Destination
  readonly peer: Peer
  readonly body: OutgoingBody
  readonly pools: UpstreamPools
  readonly now: () => number
  /** Keep the response in `exchange.buffered` instead of sending it. */
  readonly holds: boolean
  /** Completes the head of the response, before it is sent. */
  readonly onHead: () => void
  /** Changes the whole body, where `exchange.bodyFilters` has any. */
  readonly filterBody: (body: Buffer) => Buffer
}

interface Held {
  readonly status: number
  readonly headers: HeaderMap
}

/** Methods that nginx does not send a second time once they were sent. */
const NOT_REPEATED = new Set(['POST', 'LOCK', 'PATCH'])
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'ETIMEDOUT'])

/** One try: sends the request to a peer, and streams the response to the client. */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #options: AttemptOptions
  readonly #outcome: Promise<Outcome>
  #resolve: (outcome: Outcome) => void = () => {}
  #abort: ((error?: Error) => void) | undefined
  #isCancelled = false
  #isSent = false
  #isStarted = false
  #held: Held | undefined
  /** The body so far, where somebody wants to have it whole. */
  #chunks: Buffer[] | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
    this.#outcome = new Promise(resolve => {
      this.#resolve = resolve
    })
  }

  /** Resolves when the response is through, or when it is known that none will come. */
  start(): Promise<Outcome> {
    const { exchange, destination, peer, body, pools } = this.#options
    const { scheme, connectTimeoutMs, readTimeoutMs } = destination
    const host = hostFor(destination, peer)
    const head = headOf(exchange, host, body)
    try {
      if (body.kind === 'none' && getsLength(exchange.method)) {
        head.push('Connection', 'keep-alive')
        dispatchBare(openRequest(exchange, destination, peer, head), this)
        return this.#outcome
      }
      pools.get({ ...peer, scheme, connectTimeoutMs, serverName: host.replace(/:\d+$/, '') }).dispatch(
        {
          path: requestTarget(exchange, destination),
          method: exchange.method as Dispatcher.HttpMethod,
          headers: head,
          body: body.kind === 'none' ? null : body.kind === 'whole' ? body.bytes : (body.chunks as never),
          // undici would close the connection after a HEAD.
          reset: false,
          headersTimeout: readTimeoutMs,
          bodyTimeout: readTimeoutMs,
        },
        this,
      )
    } catch (error) {
      this.onError(error as Error)
    }
    return this.#outcome
  }

  /** The client has left. */
  cancel(): void {
    this.#isCancelled = true
    if (this.#abort) this.#abort(new Error('the client is gone'))
    else this.#finish({ kind: 'client gone' })
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#isSent = true
    this.#abort = abort
    if (this.#isCancelled) abort(new Error('the client is gone'))
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200 || this.#isCancelled) return true
    const { exchange, response, holds, now, onHead } = this.#options
    this.#isStarted = true
    exchange.waitingMs = now() - exchange.startedAtMs - (exchange.proxyLatencyMs ?? 0)
    const headers = readRawHead(raw)
    if (holds) {
      this.#held = { status, headers }
      this.#chunks = []
      exchange.status = status
      return true
    }
    takeUpstreamHead(exchange, status, headers)
    onHead()
    response.sendHead(exchange.status, exchange.responseHeaders, 'passed')
    if (exchange.bodyFilters.length > 0) this.#chunks = []
    else response.onDrain(resume)
    return true
  }

  onData(chunk: Buffer): boolean {
    if (!this.#chunks) return this.#options.response.write(chunk)
    this.#chunks.push(chunk)
    return true
  }

  onComplete(): void {
    const { exchange, response, filterBody } = this.#options
    exchange.receiveMs = this.#receiveTime()
    const body = this.#chunks && Buffer.concat(this.#chunks)
    if (this.#held && body) exchange.buffered = { ...this.#held, body }
    else {
      const filtered = body && filterBody(body)
      response.end(withBody(exchange) ? filtered : undefined)
    }
    this.#finish({ kind: 'answered' })
  }

  onError(error: Error): void {
    if (!this.#isStarted) this.#finish(this.#isCancelled ? { kind: 'client gone' } : this.#failure(error))
    else if (!withBody(this.#options.exchange)) {
      // undici misses the body that a 304 announces and never has.
      this.onComplete()
    } else this.#breakOff()
  }

  /** The body ended too soon. */
  #breakOff(): void {
    const { exchange, response } = this.#options
    exchange.receiveMs = this.#receiveTime()
    // Kong then writes its own error body, with the status of the upstream.
    if (this.#held && !this.#isCancelled)
      this.#finish({ kind: 'failed', status: this.#held.status, repeatable: false })
    else {
      response.abort()
      this.#finish({ kind: 'answered' })
    }
  }

  #failure(error: Error): Outcome {
    const { exchange, body } = this.#options
    const { code, name } = error as NodeJS.ErrnoException
    const status = TIMEOUTS.has(code ?? '') ? 504 : 502
    // Asking again does not help against a response that is not HTTP.
    const isMalformed = name === 'HTTPParserError' || code?.startsWith('HPE_') === true
    const isReplayable = body.kind !== 'stream' || !this.#isSent
    const isAllowed = !this.#isSent || !NOT_REPEATED.has(exchange.method)
    return { kind: 'failed', status, repeatable: !isMalformed && isReplayable && isAllowed }
  }

  #receiveTime(): number {
    const { exchange, now } = this.#options
    const before = (exchange.proxyLatencyMs ?? 0) + (exchange.waitingMs ?? 0)
    return Math.max(0, now() - exchange.startedAtMs - before)
  }

  #finish(outcome: Outcome): void {
    this.#options.peer.release()
    this.#resolve(outcome)
  }
}

function headOf(exchange: Exchange, host: string, body: OutgoingBody): string[] {
  const head = requestHead(exchange, host)
  if (body.kind === 'whole') head.push('Content-Length', String(body.bytes.length))
  else if (body.kind === 'stream' && body.length !== undefined)
    head.push('Content-Length', String(body.length))
  return head
}

const withBody = ({ status, requestMethod }: Exchange) =>
  status !== 204 && status !== 304 && requestMethod !== 'HEAD'
