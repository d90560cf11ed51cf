import type { HeaderMap, QueryMap } from './entities.ts'

/**
 * What `kong.log.serialize` gives, in Kong's own names (kong/pdk/log.lua of 3.9, and 30 outcomes recorded from a real
 * Kong 3.9.3). It is parsed, not checked: parts that a request did not come to are absent, and header names and values
 * are the client's.
 *
 * Kong redacts `authorization` and `proxy-authorization` only: API keys stand in `request.headers`, `request.uri`,
 * `request.url`, `request.querystring` and `upstream_uri`.
 */
export interface LogEntry {
  /** Absent for a connection that is not HTTP. */
  readonly request?: {
    /** Since Kong 3.5. */
    readonly id?: string
    readonly method: string
    /** Path and query as the client sent them. */
    readonly uri: string
    readonly url: string
    readonly querystring: QueryMap
    readonly headers: HeaderMap
    /** Bytes, with the head. */
    readonly size: number
  }
  readonly response?: {
    readonly status: number
    readonly headers: HeaderMap
    readonly size: number
  }
  /** Milliseconds; `proxy` is -1 where no service was asked. */
  readonly latencies?: {
    readonly kong: number
    readonly proxy: number
    readonly request: number
    readonly receive?: number
  }
  /** One a try of the balancer, in order; those that failed have a `state`. */
  readonly tries?: readonly LoggedTry[]
  /** Path and query that the service got. */
  readonly upstream_uri?: string
  /** The statuses of all tries: `502, 200`; `-` where none came. */
  readonly upstream_status?: string
  /** The credential; absent for an anonymous consumer. */
  readonly authenticated_entity?: { readonly id: string; readonly consumer_id?: string }
  readonly route?: LoggedEntity & {
    readonly paths?: readonly string[]
    readonly service?: { readonly id: string }
  }
  readonly service?: LoggedEntity & {
    readonly host?: string
    readonly port?: number
    readonly protocol?: string
  }
  readonly consumer?: LoggedEntity & { readonly username?: string; readonly custom_id?: string }
  readonly client_ip?: string
  /** Milliseconds since the epoch. */
  readonly started_at?: number
  /** Who made the answer: `kong` stands for its plugins, too. */
  readonly source?: 'kong' | 'upstream'
  readonly workspace?: string
  readonly workspace_name?: string
  /** What plugins added by `kong.log.setSerializeValue`. */
  readonly [name: string]: unknown
}

export interface LoggedEntity {
  readonly id: string
  readonly name?: string
  readonly tags?: readonly string[]
  readonly [field: string]: unknown
}

export interface LoggedTry {
  readonly ip: string
  readonly port: number
  /** Milliseconds since the epoch. */
  readonly balancer_start: number
  /** Milliseconds. */
  readonly balancer_latency: number
  /** `failed` or `next`; absent for a try that gave an answer. */
  readonly state?: 'failed' | 'next'
  /** The status of a try that failed. */
  readonly code?: number
}
