/** Small HTTP servers of the process: metrics and health, public keys. Closed with the process, and never keep it alive. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf, SluiceError } from './errors.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export type Answerer = (request: IncomingMessage, response: ServerResponse) => void

export interface HttpServer {
  /** As bound: the port is a real one where 0 was asked for. */
  readonly port: number
  close(): Promise<void>
}

export interface ServeOptions {
  /** The setting that names the address, for errors. */
  readonly setting: string
  readonly answer: Answerer
}

/** @throws SLUICE_PORT_IN_USE */
export async function serveHttp(address: Address, { setting, answer }: ServeOptions): Promise<HttpServer> {
  const server = createServer(answer)
  server.requestTimeout = 5_000
  await listen(server, address, setting)
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

async function listen(server: Server, { host, port }: Address, setting: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new SluiceError('SLUICE_PORT_IN_USE', `${setting}: ${host}:${port} is taken`)
          : error,
      ),
    )
    server.listen(port, host, resolve)
  })
}

/** How often a successor looks whether the port is free. */
const RETRY_EVERY_MS = 250

export interface HttpListener {
  /** As bound; undefined while it is not. */
  readonly port: number | undefined
  close(): Promise<void>
}

export interface HttpListenerOptions extends ServeOptions {
  /** Undefined: nothing is served. */
  readonly address: Address | undefined
  /** Whether another server may still hold the port, and is about to give it up. */
  readonly takeOver: boolean
  /** Called where a successor cannot serve in the end. */
  readonly onFault: (reason: string) => void
}

/**
 * Serves now; a server that takes another one's place serves as soon as that one has given the port up, which it does
 * when it notices that its socket has been taken over.
 *
 * @throws SLUICE_PORT_IN_USE unless `takeOver`.
 */
export async function openHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const { address, takeOver, onFault } = options
  let server: HttpServer | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  const open = async (): Promise<void> => {
    if (!address) return
    try {
      server = await serveHttp(address, options)
    } catch (error) {
      if (!takeOver || !(error instanceof SluiceError) || error.code !== 'SLUICE_PORT_IN_USE') throw error
      if (!closed) retry = setTimeout(() => open().catch(fault => onFault(messageOf(fault))), RETRY_EVERY_MS)
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
