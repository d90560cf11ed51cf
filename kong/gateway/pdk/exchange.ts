/** A request on its way through the gateway, as far as the calls of plugins read and change it. */
import type { Consumer, Route, Service } from '../../entities/entities.ts'
import type { UriCaptures } from '../router/router.ts'
import type { Lookup } from '../state/state.ts'

export type HeaderValue = string | readonly string[]

/** Names compare without case. Values hold one byte a character, as on the wire. */
export interface Headers {
  /** The first value. */
  get(name: string): string | undefined
  joined(name: string): string | undefined
  set(name: string, value: HeaderValue): void
  add(name: string, value: HeaderValue): void
  delete(name: string): void
  /** Names in lower case, at most `max` header lines. */
  toRecord(max?: number): Record<string, HeaderValue>
}

export interface Destination {
  scheme: string
  /** Escaped, without a query. */
  path: string
  hostHeader: string | undefined
  host: string
  port: number
  retries: number
  connectTimeoutMs: number
  readTimeoutMs: number
}

export interface Exchange {
  readonly node: {
    readonly nodeId: string
    readonly workspaceId: string
    readonly isTrusted: (ip: string) => boolean
  }
  /** The entities as they were when the request came. */
  readonly lookup: Lookup
  readonly id: string
  readonly startedAtMs: number
  method: string
  readonly requestUri: string
  readonly requestMethod: string
  readonly httpVersion: number
  /** Bytes of the head of the request. */
  readonly headBytes: number
  readonly headers: Headers
  readonly body: {
    /** Undefined when it is longer than `maxBytes`. */
    whole(maxBytes: number): Promise<Buffer | undefined>
    replace(bytes: Buffer): void
    /** Bytes that came from the client so far. */
    readonly bytesRead: number
  }
  readonly scheme: string
  readonly clientIp: string
  readonly clientPort: number
  readonly serverIp: string
  readonly serverPort: number
  readonly host: string
  readonly rawQuery: string | undefined
  /** `true` stands for an argument without `=`. */
  readonly query: Readonly<Record<string, string | true | readonly (string | true)[]>>
  setRawQuery(query: string): void
  setQuery(query: Readonly<Record<string, unknown>>): void

  readonly match: { readonly captures: UriCaptures | undefined } | undefined
  readonly route: Route | undefined
  readonly service: Service | undefined
  readonly destination: Destination | undefined
  readonly forwardedPrefix: string | undefined
  consumer: Consumer | undefined
  credential: Readonly<Record<string, unknown>> | undefined

  readonly shared: Map<string, unknown>
  /** `ngx.ctx`, as far as plugins put values there. */
  readonly variables: Map<string, unknown>
  readonly serializeValues: { readonly key: string; readonly value: unknown }[]

  readonly proxied: boolean
  /** Set by a plugin that wants to see the whole response of the upstream. */
  buffering: boolean
  /** The response of the upstream, where it is held back for plugins. */
  readonly buffered: { readonly status: number; readonly headers: Headers; readonly body: Buffer } | undefined
  readonly exited: boolean
  readonly source: string
  status: number
  readonly responseHeaders: Headers
  respond(status: number, body?: string | Uint8Array, headers?: Readonly<Record<string, HeaderValue>>): void
  /** In the type that the client prefers. */
  respondError(status: number, message?: string, headers?: Readonly<Record<string, HeaderValue>>): void
}
