import type { ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { Dispatcher } from 'undici'
import type { Balancer, Peer } from './balancer.ts'
import type { OutgoingBody } from './body.ts'
import type { Destination, Exchange, Try } from './exchange.ts'
import type { HeaderMap } from './header-map.ts'
import { hostFor, requestHead, requestTarget } from './request-head.ts'
import { readRawHead, takeUpstreamHead } from './response-head.ts'
import type { UpstreamPools } from './upstream-pool.ts'

/** Methods that nginx does not send a second time once they were sent. */
const NOT_REPEATED = new Set(['POST', 'LOCK', 'PATCH'])

/** How a try to get a response went. */
type Outcome =
  | { readonly kind: 'answered' }
  | { readonly kind: 'failed'; readonly status: 502 | 504; readonly repeatable: boolean }
  | { readonly kind: 'client gone' }

export interface ForwardOptions {
  readonly balancer: Balancer
  readonly pools: UpstreamPools
  readonly now: () => number
  /** Keep the response in `exchange.buffered` instead of sending it. */
  readonly hold: boolean
  /** Called when the head of the response is complete, before it is sent. */
  readonly onHead: (exchange: Exchange) => string[]
}

/**
 * Sends the request to the upstream, with Kong's tries, and streams the response to the client.
 *
 * @returns when the response is through: true; false when the gateway must answer itself, which `exchange.exit`,
 * or else `exchange.status` as nginx's own error, tells.
 */
export async function forward(
  exchange: Exchange,
  response: ServerResponse,
  options: ForwardOptions,
): Promise<boolean> {
  const destination = exchange.destination!
  exchange.tries = []
  if (destination.isAddress && isIP(destination.host) === 0) {
    // A plugin put a name in the place of an address, and nginx can't connect to a name.
    exchange.proxied = true
    beginTry(exchange, { ip: destination.host, port: destination.port }, options)
    exchange.waitingMs = 0
    exchange.status = 500
    return false
  }
  const peers = options.balancer.peers(exchange, destination.host, destination.port)
  const first = await peers.next()
  if (!('ip' in first)) {
    exchange.respondError(first.status, first.message)
    return false
  }
  const body = await exchange.body.outgoing(exchange.route?.request_buffering ?? true)
  exchange.proxied = true
  const statuses: number[] = []
  const cancel = new AbortSignalLike()
  const onClose = () => cancel.abort()
  response.once('close', onClose)
  let peer: Peer = first
  try {
    for (;;) {
      const current = beginTry(exchange, peer, options)
      const outcome = await attempt(exchange, response, destination, peer, body, cancel, options)
      if (outcome.kind === 'answered') {
        statuses.push(exchange.status)
        exchange.upstreamStatus = statuses.join(', ')
        if (exchange.status > 499 && exchange.tries.length > destination.retries)
          Object.assign(current, { state: 'failed', code: exchange.status })
        return true
      }
      if (outcome.kind === 'client gone') {
        exchange.upstreamStatus = [...statuses, '-'].join(', ')
        exchange.status = 499
        exchange.waitingMs ??= options.now() - exchange.startedAtMs - (exchange.proxyLatencyMs ?? 0)
        return true
      }
      statuses.push(outcome.status)
      Object.assign(current, { state: 'failed', code: outcome.status })
      const next = outcome.repeatable && exchange.tries.length <= destination.retries && (await peers.next())
      if (!next || !('ip' in next)) {
        exchange.upstreamStatus = statuses.join(', ')
        exchange.status = outcome.status
        exchange.waitingMs = options.now() - exchange.startedAtMs - (exchange.proxyLatencyMs ?? 0)
        return false
      }
      peer = next
    }
  } finally {
    response.off('close', onClose)
  }
}

function beginTry(exchange: Exchange, peer: Pick<Peer, 'ip' | 'port'>, { now }: ForwardOptions): Try {
  const startMs = now()
  const current: Try = {
    balancer_start: startMs,
    balancer_start_ns: startMs * 1e6,
    balancer_latency: 0,
    balancer_latency_ns: 0,
    ip: peer.ip,
    port: peer.port,
  }
  exchange.tries!.push(current)
  exchange.proxyLatencyMs = startMs - exchange.startedAtMs
  return current
}

/** A minimal abort signal: listeners that can be taken back cost less than events. */
class AbortSignalLike {
  aborted = false
  listener: (() => void) | undefined

  abort(): void {
    this.aborted = true
    this.listener?.()
  }
}

/** Resolves when the response is through, or when it is known that none will come. */
function attempt(
  exchange: Exchange,
  response: ServerResponse,
  destination: Destination,
  peer: Peer,
  body: OutgoingBody,
  cancel: AbortSignalLike,
  options: ForwardOptions,
): Promise<Outcome> {
  const { scheme, connectTimeoutMs, readTimeoutMs } = destination
  const host = hostFor(destination, peer)
  const pool = options.pools.get({ ...peer, scheme, connectTimeoutMs, serverName: host.replace(/:\d+$/, '') })
  const head = requestHead(exchange, host)
  if (body.kind === 'whole') head.push('Content-Length', String(body.bytes.length))
  else if (body.kind === 'stream' && body.length !== undefined)
    head.push('Content-Length', String(body.length))

  let sent = false
  let started = false
  let held: { status: number; headers: HeaderMap; chunks: Buffer[] } | undefined

  return new Promise(resolve => {
    let abort: ((error?: Error) => void) | undefined
    const finish = (outcome: Outcome) => {
      cancel.listener = undefined
      peer.release()
      resolve(outcome)
    }
    const fail = (error: Error) => {
      if (started && isBodyless(exchange.status)) {
        // undici misses the body that a 304 announces and never has.
        response.end()
        finish({ kind: 'answered' })
      } else if (started) {
        // The head is with the client already: only a broken connection can tell that the rest is missing.
        exchange.receiveMs = receiveTime(exchange, options)
        if (!response.destroyed) response.destroy()
        finish({ kind: 'answered' })
      } else if (cancel.aborted) finish({ kind: 'client gone' })
      else finish(failure(error, exchange, body, sent))
    }
    cancel.listener = () => {
      abort?.(new Error('the client is gone'))
      if (!abort) finish({ kind: 'client gone' })
    }
    if (cancel.aborted) {
      finish({ kind: 'client gone' })
      return
    }
    const handler: Dispatcher.DispatchHandler = {
      onConnect(abortRequest) {
        sent = true
        abort = abortRequest as (error?: Error) => void
        if (cancel.aborted) abort(new Error('the client is gone'))
      },
      onHeaders(status, raw, resume) {
        if (status < 200) return true
        if (cancel.aborted) return true
        started = true
        exchange.waitingMs = options.now() - exchange.startedAtMs - exchange.proxyLatencyMs!
        const headers = readRawHead(raw)
        takeUpstreamHead(exchange, status, headers)
        if (options.hold) {
          held = { status, headers, chunks: [] }
          return true
        }
        response.writeHead(exchange.status, options.onHead(exchange))
        response.on('drain', resume)
        return true
      },
      onData(chunk) {
        if (!held) return response.write(chunk)
        held.chunks.push(chunk)
        return true
      },
      onComplete() {
        exchange.receiveMs = receiveTime(exchange, options)
        if (held) exchange.buffered = { ...held, body: Buffer.concat(held.chunks) }
        else response.end()
        finish({ kind: 'answered' })
      },
      onError: fail,
    }
    const dispatched: Dispatcher.DispatchOptions = {
      path: requestTarget(exchange, destination),
      method: exchange.method as Dispatcher.HttpMethod,
      headers: head,
      body: body.kind === 'none' ? null : body.kind === 'whole' ? body.bytes : (body.chunks as never),
      // undici would close the connection after a HEAD.
      reset: false,
      headersTimeout: readTimeoutMs,
      bodyTimeout: readTimeoutMs,
    }
    try {
      pool.dispatch(dispatched, handler)
    } catch (error) {
      fail(error as Error)
    }
  })
}

const isBodyless = (status: number) => status === 204 || status === 304

const receiveTime = (exchange: Exchange, { now }: ForwardOptions) =>
  Math.max(0, now() - exchange.startedAtMs - (exchange.proxyLatencyMs ?? 0) - (exchange.waitingMs ?? 0))

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'ETIMEDOUT'])

function failure(error: Error, exchange: Exchange, body: OutgoingBody, sent: boolean): Outcome {
  const { code, name } = error as NodeJS.ErrnoException
  const status = TIMEOUTS.has(code ?? '') ? 504 : 502
  // A response that is no HTTP would not get better by asking again.
  const malformed = name === 'HTTPParserError' || code?.startsWith('HPE_') === true
  const replayable = body.kind !== 'stream' || !sent
  const allowed = !sent || !NOT_REPEATED.has(exchange.method)
  return { kind: 'failed', status, repeatable: !malformed && replayable && allowed }
}
