import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** One end of a connection. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

export interface ClientBody {
  /** Undefined where only the end of the body tells it. */
  readonly length: number | undefined
  readonly stream: Readable
  /** Lets a client go that sends nothing for so long; 0: never. */
  setStallTimeout(ms: number): void
}

/** What a client sent, whichever version of HTTP it speaks. */
export interface ClientRequest {
  readonly method: string
  /** The target of the request line, or `:path`. */
  readonly target: string
  /** 1, 1.1 or 2. */
  readonly httpVersion: number
  /** Names and values by turns, in the order in which they came. HTTP/2's `:authority` is the Host header. */
  readonly rawHeaders: readonly string[]
  /** Who connected: the client, or a proxy before us. */
  readonly peer: Endpoint
  readonly server: Endpoint
  /** Undefined on a connection without TLS. */
  readonly tls: { readonly serverName: string | undefined; readonly version: string } | undefined
  /** Undefined where the client sent no body. */
  readonly body: ClientBody | undefined
}

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/
const plainAddress = (address: string | undefined): string => (address ?? '').replace(IPV4_IN_IPV6, '')

/** The part of a socket that tells about its connection. */
type ConnectionSocket = Pick<
  TLSSocket,
  'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort' | 'encrypted'
> &
  Partial<Pick<TLSSocket, 'getProtocol'>> & { readonly servername?: string | false }

export function connectionOf(socket: ConnectionSocket): Pick<ClientRequest, 'peer' | 'server' | 'tls'> {
  return {
    peer: { ip: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
    server: { ip: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
    tls: socket.encrypted
      ? { serverName: socket.servername || undefined, version: socket.getProtocol?.() ?? '' }
      : undefined,
  }
}

export function fromHttp1(request: IncomingMessage): ClientRequest {
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    httpVersion: Number(request.httpVersion),
    rawHeaders: request.rawHeaders,
    ...connectionOf(request.socket as ConnectionSocket & IncomingMessage['socket']),
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
