/** `/metrics`, `/healthz` and `/readyz`. Bound to loopback unless told otherwise; nothing here changes anything. */
import { createServer, type ServerResponse } from 'node:http'
import { messageOf, SluiceError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Health {
  readonly ready: boolean
  /** One sentence each. */
  readonly problems: readonly string[]
}

export interface ObserveServer {
  /** As bound: the port is a real one where 0 was asked for. */
  readonly port: number
  close(): Promise<void>
}

/** @throws SLUICE_PORT_IN_USE */
export async function serveObservations(
  address: { readonly host: string; readonly port: number },
  metrics: Pick<Metrics, 'text'>,
  health: () => Health | Promise<Health>,
): Promise<ObserveServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, 405, { error: 'only GET' })
    switch (request.url?.split('?')[0]) {
      case '/healthz':
        return send(response, 200, { status: 'ok' })
      case '/readyz':
        Promise.resolve(health()).then(
          ({ ready, problems }) =>
            send(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', problems }),
          (error: unknown) => send(response, 500, { error: messageOf(error) }),
        )
        return
      case '/metrics':
        metrics.text().then(
          text => {
            response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
            response.end(text)
          },
          (error: unknown) => send(response, 500, { error: messageOf(error) }),
        )
        return
      default:
        return send(response, 404, { error: 'there are /metrics, /healthz and /readyz' })
    }
  })
  server.requestTimeout = 5_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new SluiceError('SLUICE_PORT_IN_USE', `SLUICE_HTTP: ${address.host}:${address.port} is taken`)
          : error,
      ),
    )
    server.listen(address.port, address.host, resolve)
  })
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

/** How often a successor looks whether the port is free. */
const RETRY_EVERY_MS = 250

export interface Observations {
  /** As bound; undefined while it is not. */
  readonly port: number | undefined
  close(): Promise<void>
}

/**
 * Serves now; a server that takes another one's place serves as soon as that one has given the port up, which it does
 * when it notices that its socket has been taken over.
 *
 * @param address undefined: nothing is served.
 * @param log told when waiting was in vain.
 * @throws SLUICE_PORT_IN_USE unless `takeOver`.
 */
export async function openObservations(
  address: Parameters<typeof serveObservations>[0] | undefined,
  metrics: Pick<Metrics, 'text'>,
  health: () => Health | Promise<Health>,
  takeOver: boolean,
  log: Pick<Logger, 'error'>,
): Promise<Observations> {
  let server: ObserveServer | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  const complain = (error: unknown) =>
    log.error({ reason: messageOf(error) }, 'metrics and health can not be served')
  const open = async (): Promise<void> => {
    if (!address) return
    try {
      server = await serveObservations(address, metrics, health)
    } catch (error) {
      if (!takeOver || (error as { code?: string }).code !== 'SLUICE_PORT_IN_USE') throw error
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
