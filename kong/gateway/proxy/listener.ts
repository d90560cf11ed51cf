import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { SluiceError } from '../../../foundation/errors.ts'
import type { Address } from '../../../foundation/settings.ts'
import { type Certificates, MIN_TLS_VERSION } from './certificates.ts'
import { type ClientRequest, fromHttp1, fromHttp2 } from './client-request.ts'
import { type ClientResponse, Http1Response, Http2Response } from './client-response.ts'
import { OpenSockets } from './open-sockets.ts'
import { PLAIN_HTTP } from './refusal.ts'
import type { Upgrade } from './tunnel.ts'

/** nginx's `large_client_header_buffers`: four of 8 KB. */
const MAX_HEADER_BYTES = 32 * 1024
/** nginx's `client_header_timeout`. */
const HEADER_TIMEOUT_MS = 60_000
/** nginx's `keepalive_timeout`. */
const KEEP_ALIVE_MS = 75_000
const BACKLOG = 4096
/** The type of the first record of TLS (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 22

export type Serve = (request: ClientRequest, response: ClientResponse, upgrade?: Upgrade) => Promise<void>

/** An address of `KONG_PROXY_LISTEN`, with what is spoken there. */
export interface ListenAddress extends Address {
  readonly ssl: boolean
  /** Whether HTTP/2 is offered besides HTTP/1.1 (ALPN). */
  readonly http2: boolean
}

export interface ListenerOptions {
  readonly address: ListenAddress
  /** For an address with `ssl`. */
  readonly certificates: Certificates | undefined
  readonly serve: Serve
  /** Answers a request that is no HTTP; gets the status that nginx would give it. */
  readonly onBadRequest: (status: number, socket: Duplex) => void
}

/**
 * Listens for clients. The parser is strict: a request with two lengths, with a length and chunks, or with a broken
 * chunk is refused, and its connection closed, so that no second request can hide in it.
 */
export class Listener {
  readonly #options: ListenerOptions
  readonly #sockets = new OpenSockets()
  readonly #sessions = new Set<ServerHttp2Session>()
  /** Connections on which TLS has not begun yet, by their client. */
  readonly #handshakes = new Map<string, Socket>()
  readonly #http1: Server
  /** Accepts the connections: the HTTP server itself, or TLS in front of it. */
  readonly #front: NetServer
  #address: ListenAddress

  /** @throws SluiceError SLUICE_PORT_IN_USE */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    listener.#address = { ...options.address, ...(await bind(listener.#front, options.address)) }
    return listener
  }

  private constructor(options: ListenerOptions) {
    this.#options = options
    this.#address = options.address
    this.#http1 = this.#createHttp1()
    const { address, certificates } = options
    this.#front = address.ssl && certificates ? this.#createTls(address, certificates) : this.#http1
  }

  get address(): ListenAddress {
    return this.#address
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** Closes idle connections, waits up to `graceMs` for requests in progress, then closes those too. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>(resolve => this.#front.close(() => resolve()))
    for (const socket of this.#handshakes.values()) socket.destroy()
    for (const session of this.#sessions) session.close()
    this.#sockets.closeIdle()
    const timer = setTimeout(() => this.#sockets.closeAll(), graceMs)
    await closed
    clearTimeout(timer)
  }

  /** Chooses the certificate by SNI and the protocol by ALPN. */
  #createTls(address: ListenAddress, certificates: Certificates): NetServer {
    const server = createTlsServer({
      ...certificates.default,
      minVersion: MIN_TLS_VERSION,
      ALPNProtocols: address.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
      handshakeTimeout: HEADER_TIMEOUT_MS,
      SNICallback(serverName, done) {
        try {
          done(null, certificates.contextFor(serverName))
        } catch (error) {
          done(error as Error)
        }
      },
    })
    server.on('tlsClientError', (_, socket) => socket.destroy())
    server.on('secureConnection', socket => {
      this.#handshakes.delete(clientOf(socket))
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      if (socket.alpnProtocol === 'h2') this.#beginHttp2(socket)
      else this.#http1.emit('connection', socket)
    })
    return createNetServer({ noDelay: true }, raw => this.#expectTls(raw, server))
  }

  /** A client that speaks plain HTTP here gets an error that says so; the TLS server never sees it. */
  #expectTls(raw: Socket, server: NetServer): void {
    const client = clientOf(raw)
    this.#handshakes.set(client, raw)
    raw.once('close', () => this.#handshakes.delete(client))
    raw.on('error', () => raw.destroy())
    raw.setTimeout(HEADER_TIMEOUT_MS, () => raw.destroy())
    raw.once('readable', () => {
      raw.setTimeout(0)
      const first: Buffer | null = raw.read()
      if (!first) return
      if (first[0] === TLS_HANDSHAKE) {
        raw.unshift(first)
        server.emit('connection', raw)
      } else this.#options.onBadRequest(PLAIN_HTTP, raw)
    })
  }

  #beginHttp2(socket: TLSSocket): void {
    const session = performServerHandshake(socket, { settings: { maxHeaderListSize: MAX_HEADER_BYTES } })
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    session.on('error', () => socket.destroy())
    session.on(
      'stream',
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, raw: string[]) => {
        stream.on('error', () => {})
        this.#serve(socket, fromHttp2(socket, stream, headers, raw), new Http2Response(stream))
      },
    )
  }

  #createHttp1(): Server {
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
    const { onBadRequest } = this.#options
    server.on('connection', socket => this.#sockets.add(socket))
    server.on('request', (request, response) => this.#serveHttp1(request, response))
    // nginx takes any expectation for `100-continue`, and gives no tunnels.
    server.on('checkExpectation', (request, response) => this.#serveHttp1(request, response))
    server.on('connect', (_, socket) => onBadRequest(400, socket))
    server.on('upgrade', (request, socket, head) => this.#serveUpgrade(request, socket, head))
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else onBadRequest(statusOf(error.code), socket)
    })
    return server
  }

  #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    const response = new ServerResponse(request)
    response.assignSocket(request.socket)
    response.shouldKeepAlive = false
    response.once('finish', () => socket.end())
    this.#serveHttp1(request, response, { socket, head })
  }

  #serveHttp1(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): void {
    const asked = fromHttp1(request)
    this.#serve(request.socket, asked, new Http1Response(response, asked.httpVersion), upgrade)
  }

  #serve(socket: Duplex, request: ClientRequest, response: ClientResponse, upgrade?: Upgrade): void {
    this.#sockets.begin(socket, response)
    response.onClose(() => this.#sockets.end(socket, response))
    this.#options.serve(request, response, upgrade).catch(() => response.abort())
  }
}

const clientOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 494
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

/** @throws SluiceError SLUICE_PORT_IN_USE */
export async function bind(server: NetServer, { host, port }: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new SluiceError('SLUICE_PORT_IN_USE', `${host}:${port} is in use`, { cause: error })
          : error,
      ),
    )
    server.listen({ host, port, backlog: BACKLOG }, resolve)
  })
  const { address, port: bound } = server.address() as AddressInfo
  return { host: address, port: bound }
}
