/**
 * `/metrics`, `/healthz` and `/readyz`. Bound to loopback unless told otherwise; nothing here changes anything.
 *
 * - `/readyz` says whether requests can be decided, and nothing else: it is the readiness probe of Kong's pod, so what
 *   can be done without must not turn it to 503.
 * - `/healthz` says that the process answers, always with 200; `/healthz?verbose` lists all that is wrong.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf, SluiceError } from './errors.ts'
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

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ObserveServer {
  /** As bound: the port is a real one where 0 was asked for. */
  readonly port: number
  close(): Promise<void>
}

/** @throws SLUICE_PORT_IN_USE */
export async function serveObservations(address: Address, observed: Observed): Promise<ObserveServer> {
  const server = createServer((request, response) => {
    answer(observed, request, response).catch((error: unknown) =>
      send(response, 500, { error: messageOf(error) }),
    )
  })
  server.requestTimeout = 5_000
  await listen(server, address)
  server.unref()
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
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

async function listen(server: Server, { host, port }: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new SluiceError('SLUICE_PORT_IN_USE', `SLUICE_HTTP: ${host}:${port} is taken`)
          : error,
      ),
    )
    server.listen(port, host, resolve)
  })
}

/** How often a successor looks whether the port is free. */
const RETRY_EVERY_MS = 250

export interface Observations {
  /** As bound; undefined while it is not. */
  readonly port: number | undefined
  close(): Promise<void>
}

export interface ObservationOptions extends Observed {
  /** Undefined: nothing is served. */
  readonly address: Address | undefined
  /** Whether another server may still hold the port, and is about to give it up. */
  readonly takeOver: boolean
  readonly log: Pick<Logger, 'error'>
}

/**
 * Serves now; a server that takes another one's place serves as soon as that one has given the port up, which it does
 * when it notices that its socket has been taken over.
 *
 * @throws SLUICE_PORT_IN_USE unless `takeOver`.
 */
export async function openObservations(options: ObservationOptions): Promise<Observations> {
  const { address, takeOver, log } = options
  let server: ObserveServer | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  const complain = (error: unknown) =>
    log.error({ reason: messageOf(error) }, 'metrics and health cannot be served')
  const open = async (): Promise<void> => {
    if (!address) return
    try {
      server = await serveObservations(address, options)
    } catch (error) {
      if (!takeOver || !(error instanceof SluiceError) || error.code !== 'SLUICE_PORT_IN_USE') throw error
      if (!closed) retry = setTimeout(() => open().catch(complain), RETRY_EVERY_MS)
    }
    if (closed) await server?.close()
  }
  await open()
  return {
    get port() {
      return server?.port
    },
    async close() {
      closed = true
      clearTimeout(retry)
      await server?.close()
      server = undefined
    },
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
