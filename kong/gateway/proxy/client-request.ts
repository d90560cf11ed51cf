import type { IncomingMessage } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** One end of a connection. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

/** What the TLS handshake agreed on. */
export interface TlsFacts {
  readonly serverName: string | undefined
  readonly version: string
  readonly cipher: string
}

export interface ClientBody {
  /** Undefined when the client did not declare it. */
  readonly length: number | undefined
  readonly stream: Readable
  /** Closes the connection of a client that sends nothing for so long; 0 means never. */
  setStallTimeout(ms: number): void
}

/** What a client sent, whichever version of HTTP it speaks. */
export interface ClientRequest {
  readonly method: string
  /** The target of the request line, or `:path`. */
  readonly target: string
  /** What the request line says, or 2. */
  readonly httpVersion: number
  /** Whether it came on a stream of an HTTP/2 connection. */
  readonly isHttp2: boolean
  /** Names and values by turns, in the order in which they came. HTTP/2's `:authority` is the Host header. */
  readonly rawHeaders: readonly string[]
  /** Who connected: the client, or a proxy before us. */
  readonly peer: Endpoint
  readonly server: Endpoint
  /** Undefined on a connection without TLS. */
  readonly tls: TlsFacts | undefined
  /** Undefined where the client sent no body. */
  readonly body: ClientBody | undefined
}

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/
const plainAddress = (address: string | undefined): string => (address ?? '').replace(IPV4_IN_IPV6, '')

function connectionOf(socket: Socket | TLSSocket): Pick<ClientRequest, 'peer' | 'server' | 'tls'> {
  return {
    peer: { ip: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
    server: { ip: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
    tls: socket instanceof TLSSocket ? tlsFactsOf(socket) : undefined,
  }
}

const KNOWN = new WeakMap<TLSSocket, TlsFacts>()

/** Asked once a connection, not once a request. */
function tlsFactsOf(socket: TLSSocket): TlsFacts {
  const known = KNOWN.get(socket)
  if (known) return known
  const facts = {
    serverName: socket.servername || undefined,
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
  }
  KNOWN.set(socket, facts)
  return facts
}

export function fromHttp1(request: IncomingMessage): ClientRequest {
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    httpVersion: Number(request.httpVersion),
    isHttp2: false,
    rawHeaders: request.rawHeaders,
    ...connectionOf(request.socket),
    body: bodyOf(request),
  }
}

function bodyOf(request: IncomingMessage): ClientBody | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  if (coding === undefined && length === undefined) return undefined
  return {
    length: length === undefined ? undefined : Number(length),
    stream: request,
    setStallTimeout: ms => void request.socket.setTimeout(ms),
  }
}

/** @param raw names and values by turns, with HTTP/2's own names in front */
export function fromHttp2(
  socket: Socket | TLSSocket,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  raw: readonly string[],
): ClientRequest {
  const authority = headers[':authority']
  const rawHeaders: string[] = []
  if (authority !== undefined && headers.host === undefined) rawHeaders.push('Host', String(authority))
  const cookies: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i], raw[i + 1]]
    if (name === 'cookie') cookies.push(value)
    else if (!name.startsWith(':')) rawHeaders.push(name, value)
  }
  // RFC 9113 §8.2.3: what HTTP/2 may take apart is one field again.
  if (cookies.length > 0) rawHeaders.push('cookie', cookies.join('; '))
  const length = headers['content-length']
  return {
    method: String(headers[':method'] ?? 'GET'),
    target: String(headers[':path'] ?? '/'),
    httpVersion: 2,
    isHttp2: true,
    rawHeaders,
    ...connectionOf(socket),
    body: stream.endAfterHeaders
      ? undefined
      : {
          length: length === undefined ? undefined : Number(length),
          stream,
          setStallTimeout: ms => void stream.setTimeout(ms, () => stream.close(NGHTTP2_CANCEL)),
        },
  }
}

/** RFC 9113 §7. */
const NGHTTP2_CANCEL = 8
