/**
 * `/metrics`, `/healthz` and `/readyz`. Bound to loopback unless told otherwise; nothing here changes anything.
 *
 * - `/readyz` says whether requests can be decided, and nothing else: it is the readiness probe of Kong's pod, so what
 *   can be done without must not turn it to 503.
 * - `/healthz` says that the process answers, always with 200; `/healthz?verbose` lists all that is wrong.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from './errors.ts'
import {
  type Address,
  type Answerer,
  type HttpListener,
  type HttpServer,
  openHttp,
  serveHttp,
} from './http-listener.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** One sentence each. */
export interface Health {
  /** Why no request can be decided; empty where the process is ready. */
  readonly blockers: readonly string[]
  /** What is wrong with deciding requests, though each gets a decision: Redis is away, an instance was refused. */
  readonly problems: readonly string[]
  /** What is wrong apart from requests: a sink takes no events. */
  readonly warnings: readonly string[]
}

export interface Observed {
  readonly metrics: Pick<Metrics, 'text'>
  readonly health: () => Health | Promise<Health>
}

export type ObserveServer = HttpServer

/**
 * @param setting names the address in errors.
 * @throws SLUICE_PORT_IN_USE
 */
export async function serveObservations(
  address: Address,
  observed: Observed,
  setting = 'SLUICE_HTTP',
): Promise<ObserveServer> {
  return serveHttp(address, { setting, answer: answering(observed) })
}

const answering =
  (observed: Observed): Answerer =>
  (request, response) => {
    answer(observed, request, response).catch((error: unknown) =>
      send(response, 500, { error: messageOf(error) }),
    )
  }

async function answer(observed: Observed, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, { error: 'only GET' })
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  switch (pathname) {
    case '/healthz':
      if (!searchParams.has('verbose')) return send(response, 200, { status: 'ok' })
      return send(response, 200, verbose(await observed.health()))
    case '/readyz': {
      const { blockers, problems } = await observed.health()
      const ready = blockers.length === 0
      const status = ready ? 'ready' : 'not ready'
      return send(response, ready ? 200 : 503, { status, problems: [...blockers, ...problems] })
    }
    case '/metrics': {
      const text = await observed.metrics.text()
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
      response.end(text)
      return
    }
    default:
      return send(response, 404, { error: 'there are /metrics, /healthz and /readyz' })
  }
}

function verbose({ blockers, problems, warnings }: Health): unknown {
  const isWell = blockers.length + problems.length + warnings.length === 0
  return {
    status: isWell ? 'ok' : 'degraded',
    ready: blockers.length === 0,
    problems: [...blockers, ...problems],
    warnings,
  }
}

/** As bound; undefined while it is not. */
export type Observations = HttpListener

export interface ObservationOptions extends Observed {
  /** Undefined: nothing is served. */
  readonly address: Address | undefined
  /** Whether another server may still hold the port, and is about to give it up. */
  readonly takeOver: boolean
  readonly log: Pick<Logger, 'error'>
}

/**
 * Serves now; a server that takes another one's place serves as soon as that one has given the port up.
 *
 * @throws SLUICE_PORT_IN_USE unless `takeOver`.
 */
export function openObservations({
  address,
  takeOver,
  log,
  ...observed
}: ObservationOptions): Promise<Observations> {
  return openHttp({
    address,
    setting: 'SLUICE_HTTP',
    answer: answering(observed),
    takeOver,
    onFault: reason => log.error({ reason }, 'metrics and health cannot be served'),
  })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
