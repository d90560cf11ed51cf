/**
 * The entities of Kong's Admin API, as they stand in its JSON: every field is there, null where it is not set.
 * Times are whole seconds since the epoch, but for targets, whose times have fractions.
 */

/** A reference to another entity. */
export interface Reference {
  readonly id: string
}

export type Protocol = 'grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp'

export interface Service {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly protocol: Protocol
  readonly host: string
  readonly port: number
  readonly path: string | null
  /** Tries after the first one. */
  readonly retries: number | null
  /** Milliseconds, as are the other two. */
  readonly connect_timeout: number | null
  readonly write_timeout: number | null
  readonly read_timeout: number | null
  readonly enabled: boolean
  readonly tags: readonly string[] | null
  readonly client_certificate: Reference | null
  readonly tls_verify: boolean | null
  readonly tls_verify_depth: number | null
  readonly ca_certificates: readonly string[] | null
}

export interface AddressRange {
  readonly ip?: string | null
  readonly port?: number | null
}

export interface Route {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly protocols: readonly Protocol[]
  readonly https_redirect_status_code: number
  readonly strip_path: boolean
  readonly preserve_host: boolean
  readonly request_buffering: boolean
  readonly response_buffering: boolean
  readonly tags: readonly string[] | null
  readonly service: Reference | null
  readonly snis: readonly string[] | null
  readonly sources: readonly AddressRange[] | null
  readonly destinations: readonly AddressRange[] | null
  readonly methods: readonly string[] | null
  readonly hosts: readonly string[] | null
  /** A path that starts with `~` is a regular expression, without the `~`. */
  readonly paths: readonly string[] | null
  readonly headers: Readonly<Record<string, readonly string[]>> | null
  readonly regex_priority: number | null
  readonly path_handling: 'v0' | 'v1' | null
}

export interface Consumer {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly username: string | null
  readonly custom_id: string | null
  readonly tags: readonly string[] | null
}

export interface Plugin {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string
  readonly instance_name: string | null
  readonly route: Reference | null
  readonly service: Reference | null
  readonly consumer: Reference | null
  /** Complete: every default of the plugin's schema is filled in, absent values are null. */
  readonly config: Readonly<Record<string, unknown>>
  readonly protocols: readonly Protocol[]
  readonly enabled: boolean
  readonly tags: readonly string[] | null
}

export interface KeyAuthCredential {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly key: string
  readonly tags: readonly string[] | null
  /** Seconds that are left to live; null: for ever. */
  readonly ttl: number | null
}

export interface BasicAuthCredential {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly username: string
  /** SHA-1, in hex, of the password followed by the consumer's id (Kong's own way of storing it). */
  readonly password: string
  readonly tags: readonly string[] | null
}

export interface JwtSecret {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly key: string
  readonly secret: string | null
  readonly rsa_public_key: string | null
  readonly algorithm: string
  readonly tags: readonly string[] | null
}

export interface Acl {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly group: string
  readonly tags: readonly string[] | null
}

export interface Upstream {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string
  readonly algorithm: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency'
  readonly hash_on: string
  readonly hash_fallback: string
  readonly hash_on_header: string | null
  readonly hash_fallback_header: string | null
  readonly hash_on_cookie: string | null
  readonly hash_on_cookie_path: string | null
  readonly hash_on_query_arg: string | null
  readonly hash_fallback_query_arg: string | null
  readonly hash_on_uri_capture: string | null
  readonly hash_fallback_uri_capture: string | null
  readonly slots: number
  readonly healthchecks: Readonly<Record<string, unknown>>
  readonly tags: readonly string[] | null
  readonly host_header: string | null
  readonly client_certificate: Reference | null
  readonly use_srv_name: boolean
}

export interface Target {
  readonly id: string
  /** Seconds, with milliseconds behind the point. */
  readonly created_at: number
  readonly updated_at: number
  readonly upstream: Reference
  /** `host:port`. */
  readonly target: string
  /** 0 takes it out of the balancing. */
  readonly weight: number
  readonly tags: readonly string[] | null
}

/** Every collection by the name that Kong's schemas give it, which is also its name in a declarative file. */
export interface Entities {
  readonly services: Service
  readonly routes: Route
  readonly consumers: Consumer
  readonly plugins: Plugin
  readonly keyauth_credentials: KeyAuthCredential
  readonly basicauth_credentials: BasicAuthCredential
  readonly jwt_secrets: JwtSecret
  readonly acls: Acl
  readonly upstreams: Upstream
  readonly targets: Target
}

export type Collection = keyof Entities

export type Entity<C extends Collection = Collection> = Entities[C]

/** Parents before children: the order in which a whole state can be written without a dangling reference. */
export const COLLECTIONS: readonly Collection[] = [
  'services',
  'consumers',
  'upstreams',
  'routes',
  'targets',
  'plugins',
  'keyauth_credentials',
  'basicauth_credentials',
  'jwt_secrets',
  'acls',
]
