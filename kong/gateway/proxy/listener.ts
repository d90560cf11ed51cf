import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SluiceError } from '../../../foundation/errors.ts'
import type { Address } from '../../../foundation/settings.ts'
import type { Serve } from './proxy.ts'

/** nginx's `large_client_header_buffers`: four of 8 KB. */
const MAX_HEADER_BYTES = 32 * 1024
/** nginx's `client_header_timeout`. */
const HEADER_TIMEOUT_MS = 60_000
/** nginx's `keepalive_timeout`. */
const KEEP_ALIVE_MS = 75_000
const BACKLOG = 4096

export interface Listener {
  readonly address: Address
  readonly connections: number
  /** Ends idle connections, waits for requests under way up to `graceMs`, then ends those too. */
  close(graceMs: number): Promise<void>
}

export interface ListenerOptions {
  readonly address: Address
  readonly serve: Serve
  /** Answers a request that is no HTTP; gets the status that nginx would give it. */
  readonly onBadRequest: (status: number, socket: Duplex) => void
}

/**
 * Listens for clients. The parser is strict: a request with two lengths, with a length and chunks, or with a broken
 * chunk is refused, and its connection closed, so that no second request can hide in it.
 *
 * @throws SluiceError SLUICE_PORT_IN_USE
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { address, serve } = options
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADER_TIMEOUT_MS,
    // Bodies may take as long as they keep coming; a body that stalls is ended by the socket's own timeout.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
  })
  const sockets = createSocketBook()
  server.on('connection', sockets.add)
  const handle = (request: IncomingMessage, response: ServerResponse, head?: Buffer) => {
    if (sockets.isClosing) response.shouldKeepAlive = false
    sockets.begin(request.socket, response)
    response.once('close', () => sockets.end(request.socket, response))
    serve(request, response, head && { head }).catch(() => response.destroy())
  }
  server.on('request', (request, response) => handle(request, response))
  // nginx takes any expectation for `100-continue`, and gives no tunnels.
  server.on('checkExpectation', (request, response) => handle(request, response))
  server.on('connect', (_, socket) => options.onBadRequest(400, socket))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => {})
    const response = new ServerResponse(request)
    response.assignSocket(socket)
    response.shouldKeepAlive = false
    response.once('finish', () => socket.end())
    handle(request, response, head)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else options.onBadRequest(statusOf(error.code), socket)
  })
  const bound = await bind(server, address)
  return {
    address: bound,
    get connections() {
      return sockets.size
    },
    async close(graceMs) {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      sockets.closeIdle()
      const timer = setTimeout(sockets.closeAll, graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}

/**
 * Which connections are open, and which of them have a request under way. Node.js itself knows neither connections
 * that never sent a request nor those that were upgraded.
 */
function createSocketBook() {
  const open = new Map<Socket, Set<ServerResponse>>()
  let isClosing = false
  return {
    get size() {
      return open.size
    },
    get isClosing() {
      return isClosing
    },
    add(socket: Socket) {
      open.set(socket, new Set())
      socket.once('close', () => open.delete(socket))
    },
    begin(socket: Socket, response: ServerResponse) {
      open.get(socket)?.add(response)
    },
    end(socket: Socket, response: ServerResponse) {
      const responses = open.get(socket)
      responses?.delete(response)
      if (isClosing && responses?.size === 0) socket.destroySoon()
    },
    /** What is under way may end, but its connection then closes. */
    closeIdle() {
      isClosing = true
      for (const [socket, responses] of open) {
        if (responses.size === 0) socket.destroy()
        for (const response of responses) response.shouldKeepAlive = false
      }
    },
    closeAll() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 494
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

/** @throws SluiceError SLUICE_PORT_IN_USE */
export async function bind(server: Server, { host, port }: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new SluiceError('SLUICE_PORT_IN_USE', `${host}:${port} is taken`, { cause: error })
          : error,
      ),
    )
    server.listen({ host, port, backlog: BACKLOG }, resolve)
  })
  const { address, port: bound } = server.address() as AddressInfo
  return { host: address, port: bound }
}
