/**
 * The state of one proxied request: what plugins, their PDK and the log phase see of it and change in it, and what
 * the proxy reads when it speaks to the upstream and to the client.
 */
import type {
  Acl,
  BasicAuthCredential,
  Consumer,
  JwtSecret,
  KeyAuthCredential,
  Route,
  Service,
} from '../entities/entities.ts'
import type { UriCaptures } from '../router/router.ts'
import { HeaderFields } from './headers.ts'

/** A credential that authenticated a request; one that a plugin server named has no more than an id. */
export type Credential =
  | KeyAuthCredential
  | BasicAuthCredential
  | JwtSecret
  | { readonly id: string; readonly consumer?: { readonly id: string } }

export interface RequestBody {
  /** The whole body as the client sent it. */
  read(): Promise<Buffer>
  /** What a plugin put in its place. */
  replacement?: Buffer
}

/**
 * The request. Its method, query, headers and body are what the upstream gets, so plugins change them in place, and
 * later plugins see the change; the target stays as the client sent it.
 */
export interface ProxiedRequest {
  readonly scheme: 'http' | 'https'
  /** 1, 1.1 or 2. */
  readonly httpVersion: number
  /** The request's target as it stands in the request line: path and query. */
  readonly target: string
  /** The Host header without its port, in lower case. */
  readonly host: string
  /** The port that the request came in at. */
  readonly port: number
  method: string
  /** Raw, without `?`. */
  query: string
  readonly headers: HeaderFields
  readonly body: RequestBody
}

/** What the client, or a trusted proxy before us, says of the way here. */
export interface Forwarded {
  readonly ip: string
  readonly port: number
  readonly scheme: string
  readonly host: string
  readonly hostPort: number
  readonly path: string
  /** What the route stripped from the path. */
  readonly prefix: string | undefined
}

/** Where the request goes. The runloop fills it from the service before the access phase. */
export interface UpstreamRequest {
  scheme: string
  /** A host name, an address, or the name of an upstream. */
  host: string
  port: number
  /** Decoded, without a query; empty where there is no route. */
  path: string
  /** The Host header where a plugin or the route sets it; undefined: that of the target. */
  hostHeader?: string
  /** Tries after the first one. */
  retries: number
  connectTimeoutMs: number
  writeTimeoutMs: number
  readTimeoutMs: number
}

/** What the client is to get. Headers set before the upstream answers stand beside the upstream's. */
export interface ProxiedResponse {
  /** 0 until there is one. */
  status: number
  readonly headers: HeaderFields
}

/** The end of a request by a plugin, or by the gateway itself where it knows no route, service or target. */
export interface Exit {
  readonly body: string | Buffer | undefined
}

export interface UpstreamTry {
  readonly ip: string
  readonly port: number
  /** Milliseconds since the epoch, with fractions. */
  readonly startedAtMs: number
  /** What the choice of the target took. */
  readonly balancerMs: number
  /** Set when the try failed: the status that stands for the failure. */
  failedWith?: number
}

/** What happened, for the log phase. */
export interface Outcome {
  readonly tries: UpstreamTry[]
  /** One for each try that came to a status, as `502, 200`; `-` for one that the client did not wait for. */
  upstreamStatus: string
  /**
   * Who made the response, as `kong.response.get_source` tells it. A client that left while the upstream worked
   * counts as `service`.
   */
  source: 'service' | 'exit' | 'error'
  /** The request line and path as the upstream got them, query and all; empty where no route was found. */
  upstreamUri: string
  /** Times in the gateway before the upstream was asked, or, without one, before the response. */
  gatewayMs: number
  /** From the upstream's being asked to its first byte; undefined: it was not asked. */
  upstreamMs?: number
  /** From the upstream's first byte to its last. */
  receiveMs: number
  totalMs: number
  requestBytes: number
  responseBytes: number
}

/** A value that `kong.log.set_serialize_value` puts into the log, at a path with dots. */
export interface SerializeValue {
  readonly path: string
  readonly value: unknown
  readonly mode: 'set' | 'add' | 'replace'
}

export interface RequestContext {
  /** 32 hexadecimal digits, as in `X-Kong-Request-Id`. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly client: { readonly ip: string; readonly port: number }
  readonly request: ProxiedRequest
  forwarded: Forwarded
  route?: Route
  service?: Service
  captures?: UriCaptures
  consumer?: Consumer
  credential?: Credential
  /** The groups that the acl plugin found, for later plugins. */
  groups?: readonly Acl[]
  /** `kong.ctx.shared`. */
  readonly shared: Map<string, unknown>
  /** `ngx.ctx` as far as plugins put values there. */
  readonly values: Map<string, unknown>
  readonly serializeValues: SerializeValue[]
  readonly upstream: UpstreamRequest
  readonly response: ProxiedResponse
  /** Set: no later plugin's access phase runs, and the upstream is not asked. */
  exit?: Exit
  readonly outcome: Outcome
}

export interface RequestFacts {
  readonly id: string
  readonly startedAtMs: number
  readonly client: { readonly ip: string; readonly port: number }
  readonly request: ProxiedRequest
  /** Left out where the client is trusted with nothing: what the request itself says then. */
  readonly forwarded?: Partial<Forwarded>
}

/** The state of a request that has just come in: no route, no answer yet. */
export function createRequestContext(facts: RequestFacts): RequestContext {
  const { request, client } = facts
  return {
    id: facts.id,
    startedAtMs: facts.startedAtMs,
    client,
    request,
    forwarded: {
      ip: client.ip,
      port: client.port,
      scheme: request.scheme,
      host: request.host,
      hostPort: request.port,
      path: pathOf(request.target),
      prefix: undefined,
      ...facts.forwarded,
    },
    shared: new Map(),
    values: new Map(),
    serializeValues: [],
    upstream: {
      scheme: 'http',
      host: '',
      port: 80,
      path: '',
      retries: 5,
      connectTimeoutMs: 60_000,
      writeTimeoutMs: 60_000,
      readTimeoutMs: 60_000,
    },
    response: { status: 0, headers: new HeaderFields() },
    outcome: {
      tries: [],
      upstreamStatus: '',
      source: 'error',
      upstreamUri: '',
      gatewayMs: 0,
      receiveMs: 0,
      totalMs: 0,
      requestBytes: 0,
      responseBytes: 0,
    },
  }
}

function pathOf(target: string): string {
  const mark = target.indexOf('?')
  return mark < 0 ? target : target.slice(0, mark)
}

/**
 * Ends the request with a response of the gateway's own.
 *
 * Headers that plugins set before stay, as in Kong, and those given here go over them. An object is sent as JSON.
 */
export function exitRequest(
  context: RequestContext,
  status: number,
  body?: string | Buffer | Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): void {
  const { response } = context
  response.status = status
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== 'transfer-encoding') response.headers.set(name, value)
  }
  const given = new Set(Object.keys(headers).map(name => name.toLowerCase()))
  const json = typeof body === 'object' && !Buffer.isBuffer(body)
  const content = json ? JSON.stringify(body) : (body as string | Buffer | undefined)
  if (json && !given.has('content-type'))
    response.headers.set('Content-Type', 'application/json; charset=utf-8')
  if (!given.has('content-length'))
    response.headers.set('Content-Length', String(content === undefined ? 0 : Buffer.byteLength(content)))
  context.exit = { body: content }
  context.outcome.source = 'exit'
}
