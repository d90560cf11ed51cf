import { errorBody, statusText } from '../../../protocol/error-answers.ts'
import type { Consumer, Route, Service } from '../../entities/entities.ts'
import type { RouteQuery } from '../router/route.ts'
import type { RouteMatch } from '../router/router.ts'
import type { Lookup } from '../state/state.ts'
import { RequestBody } from './body.ts'
import type { ClientRequest, Endpoint } from './client-request.ts'
import { HeaderMap, type HeaderValue } from './header-map.ts'
import { formatQuery, parseQuery, type Query, withoutArgument } from './query.ts'
import { clientAddress, type RealIpRule } from './real-ip.ts'

/** What a plugin passed to `kong.client.authenticate`: a stored credential, or any other table. */
export type Credential = Readonly<Record<string, unknown>>

/** An answer of the gateway's own, made by a plugin or by the gateway itself. */
export interface Exit {
  readonly status: number
  readonly body: string | Uint8Array | undefined
}

/** One try to reach the upstream, as `kong.log.serialize` lists it. */
export interface Try {
  balancer_start: number
  balancer_start_ns: number
  balancer_latency: number
  balancer_latency_ns: number
  ip: string
  port: number
  state?: 'failed'
  code?: number
}

export interface BufferedResponse {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Buffer
}

/** Changes the whole body of an answer on its way to the client. */
export type BodyFilter = (body: Buffer) => Buffer

/** Where the request goes; plugins may change it until it is sent. */
export interface Destination {
  scheme: string
  /** Path, escaped, without a query. */
  path: string
  /** Overrides the Host header that follows from the target. */
  hostHeader: string | undefined
  /** The service is at an address: Kong asks no resolver and no balancer then, whatever a plugin puts there. */
  readonly isAddress: boolean
  /** A name of an upstream, a host name or an address. */
  host: string
  port: number
  retries: number
  connectTimeoutMs: number
  readTimeoutMs: number
}

/** Facts about the gateway that a request meets. */
export interface NodeFacts {
  readonly nodeId: string
  readonly version: string
  readonly workspaceId: string
  readonly realIp: RealIpRule
}

export interface ExchangeOptions {
  readonly request: ClientRequest
  readonly node: NodeFacts
  /** The entities as they were when the request came. */
  readonly lookup: Lookup
  /** 32 hexadecimal digits. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
}

/** nginx ends a target's query at a fragment, and sees none behind one. */
const QUERY = /^[^?#]*\?([^#]*)/

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not stand in a request line
const UNSAFE_IN_QUERY = /[\x00-\x20\x7f]/g
const escapeByte = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** One client request on its way through the gateway, and all that plugins learn and change on it. */
export class Exchange implements RouteQuery {
  readonly node: NodeFacts
  readonly lookup: Lookup
  readonly id: string
  readonly startedAtMs: number

  method: string
  #requestUri: string
  readonly requestMethod: string
  /** Of the request line; a whole URL where the client wrote one. */
  readonly requestTarget: string
  readonly httpVersion: number
  readonly isHttp2: boolean
  readonly headers: HeaderMap
  readonly body: RequestBody
  readonly scheme: 'http' | 'https'
  readonly tls: ClientRequest['tls']
  readonly serverName: string | undefined
  /** Who connected: the client, or a proxy before us. */
  readonly peer: Endpoint
  /** The peer is one of `trusted_ips`: its forwarding headers count. */
  readonly isPeerTrusted: boolean
  readonly clientIp: string
  readonly clientPort: number
  readonly serverIp: string
  readonly serverPort: number
  /** Bytes of the head of the request. */
  readonly headBytes: number
  #hostHeader: string
  /** Host in lower case without its port. */
  readonly host: string
  /** The query behind the `?`; undefined without one. Plugins may change it. */
  rawQuery: string | undefined
  #query: Query | undefined

  match: RouteMatch<Route> | undefined
  route: Route | undefined
  service: Service | undefined
  destination: Destination | undefined
  forwardedPrefix: string | undefined

  consumer: Consumer | undefined
  credential: Credential | undefined

  readonly shared = new Map<string, unknown>()
  /** `ngx.ctx`, as far as plugins put values there. */
  readonly variables = new Map<string, unknown>()
  readonly serializeValues: { readonly key: string; readonly value: unknown }[] = []

  exit: Exit | undefined
  /** The response is an unexpected error. */
  unexpected = false
  /** The request was handed to the upstream. */
  proxied = false
  exited = false
  /** Set by plugins before there is a response, then what the client gets. */
  readonly responseHeaders = new HeaderMap()
  status = 200

  /** A plugin wants to see the whole response before the client does (`ngx.ctx.buffered_proxying`). */
  buffering = false
  /** The response of the upstream, where it is held back for plugins. */
  buffered: BufferedResponse | undefined
  readonly bodyFilters: BodyFilter[] = []

  tries: Try[] | undefined
  /** `502, 200`: one for each try. */
  upstreamStatus = ''
  /** Milliseconds; undefined until known. */
  proxyLatencyMs: number | undefined
  responseLatencyMs: number | undefined
  waitingMs: number | undefined
  receiveMs = 0
  requestMs = 0
  responseBytes = 0

  constructor({ request, node, lookup, id, startedAtMs }: ExchangeOptions) {
    const { method, httpVersion, peer, server } = request
    this.node = node
    this.lookup = lookup
    this.id = id
    this.startedAtMs = startedAtMs
    this.method = method
    this.requestMethod = method
    this.requestTarget = request.target
    const { target, authority } = splitTarget(request.target)
    this.#requestUri = target
    this.httpVersion = httpVersion
    this.isHttp2 = request.isHttp2
    this.headers = HeaderMap.fromRaw(request.rawHeaders)
    this.body = new RequestBody(request.body)
    this.scheme = request.tls ? 'https' : 'http'
    this.tls = request.tls
    this.serverName = request.tls?.serverName
    this.peer = peer
    this.isPeerTrusted = node.realIp.isTrusted(peer.ip)
    const client = this.isPeerTrusted ? clientAddress(peer, this.headers, node.realIp) : peer
    this.clientIp = client.ip
    this.clientPort = client.port
    this.serverIp = server.ip
    this.serverPort = server.port
    this.headBytes = headBytes(request)
    this.#hostHeader = this.headers.get('host') ?? ''
    this.host = hostOf(authority ?? this.hostHeader) || NAMELESS_HOST
    this.rawQuery = QUERY.exec(this.requestUri)?.[1]
  }

  /** The target of the request line, as it was sent. */
  get requestUri(): string {
    return this.#requestUri
  }

  get hostHeader(): string {
    return this.#hostHeader
  }

  /** Drops what nginx had not read yet when it refused the request. */
  forget(unread: 'target' | 'headers'): void {
    this.headers.clear()
    this.#hostHeader = ''
    if (unread === 'headers') return
    this.#requestUri = ''
    this.rawQuery = undefined
    this.#query = undefined
  }

  header(name: string): HeaderValue | undefined {
    return this.headers.value(name)
  }

  /** A header of a proxy before us, where that is trusted. */
  forwarded(name: string): string | undefined {
    return this.isPeerTrusted ? this.headers.get(name) : undefined
  }

  get query(): Query {
    this.#query ??= parseQuery(this.rawQuery ?? '')
    return this.#query
  }

  /** The target without its query, as it was sent. */
  get rawPath(): string {
    const mark = this.requestUri.indexOf('?', 1)
    return mark < 0 ? this.requestUri : this.requestUri.slice(0, mark)
  }

  /** The header that goes to the upstream; `Host` also changes where it says it goes. */
  setUpstreamHeader(name: string, value: HeaderValue): void {
    this.headers.set(name, value)
    if (name.toLowerCase() === 'host' && this.destination)
      this.destination.hostHeader = typeof value === 'string' ? value : value[0]
  }

  /** Without text, the `?` goes too; what may not stand in a request line is escaped. */
  setRawQuery(query: string): void {
    this.rawQuery = query === '' ? undefined : query.replace(UNSAFE_IN_QUERY, escapeByte)
    this.#query = undefined
  }

  /** Takes an argument out of the query; Kong leaves a bare `?` behind. */
  clearArgument(name: string): void {
    if (this.rawQuery === undefined) return
    this.rawQuery = withoutArgument(this.rawQuery, name)
    this.#query = undefined
  }

  setQuery(query: Readonly<Record<string, unknown>>): void {
    this.setRawQuery(formatQuery(query))
  }

  /** Where the answer came from, as `kong.response.get_source` says. */
  get source(): 'error' | 'exit' | 'service' {
    if (this.unexpected) return 'error'
    if (this.exited) return 'exit'
    return this.proxied ? 'service' : 'error'
  }

  /** Ends the request with an answer of its own; the first one counts. */
  respond(
    status: number,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, HeaderValue>> = {},
  ): void {
    this.exited = true
    if (this.exit) return
    for (const [name, value] of Object.entries(headers))
      if (name.toLowerCase() !== 'transfer-encoding') this.responseHeaders.set(name, value)
    this.exit = { status, body }
  }

  respondJson(status: number, value: unknown, headers: Readonly<Record<string, HeaderValue>> = {}): void {
    this.respond(status, JSON.stringify(value), { 'Content-Type': JSON_TYPE, ...headers })
  }

  /** Ends the request with an error in the type that the client prefers. */
  respondError(status: number, message?: string, headers: Readonly<Record<string, HeaderValue>> = {}): void {
    const { type, text } = errorBody(this.headers.joined('accept'), message ?? statusText(status), this.id)
    this.respond(status, text, { ...headers, 'Content-Type': type })
  }

  /** What a plugin that throws gives the client. */
  fail(): void {
    this.unexpected = true
    this.exit = undefined
    this.respondError(500)
    this.exited = false
  }
}

export const JSON_TYPE = 'application/json; charset=utf-8'

function headBytes({ method, target, rawHeaders }: ClientRequest): number {
  let bytes = method.length + target.length + ' HTTP/1.1\r\n'.length + 1 + 2
  for (const text of rawHeaders) bytes += text.length + 2
  return bytes
}

/** What nginx calls a host that the client did not name. */
const NAMELESS_HOST = 'kong'

/** `http://host/path` as a request to a proxy has it: the host counts, but for routing, which reads the header. */
function splitTarget(url: string): { target: string; authority?: string } {
  if (url.startsWith('/')) return { target: url }
  const [, authority, rest] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url) ?? []
  if (authority === undefined || rest === undefined) return { target: url }
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority }
}

function hostOf(header: string): string {
  const colon = header.indexOf(':')
  const host = header.startsWith('[')
    ? header.slice(0, header.indexOf(']') + 1)
    : colon < 0
      ? header
      : header.slice(0, colon)
  return host.toLowerCase().replace(/\.$/, '')
}
