/** Entities as a plugin server sees them. Over ProtoBuf an empty string and an absent value look the same. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Lower-case names; a header that came several times has several values. */
export type HeaderMap = Readonly<Record<string, string | readonly string[]>>

/** Numbers and booleans are sent as strings. */
export type HeaderValue = string | number | boolean | readonly (string | number | boolean)[]
/** A header whose value is undefined or null is not set. */
export type HeaderWrites = Readonly<Record<string, HeaderValue | undefined | null>>

/** An argument without a value is true. */
export type QueryMap = Readonly<Record<string, string | true | readonly (string | true)[]>>

/** What the path's regular expression captured. */
export interface UriCaptures {
  readonly unnamed: readonly string[]
  readonly named: Readonly<Record<string, string>>
}

/** Bytes. */
export interface MemoryStats {
  readonly luaSharedDicts: Readonly<
    Record<string, { readonly allocatedSlabs: number; readonly capacity: number }>
  >
  readonly workersLuaVms: readonly { readonly httpAllocatedGc: number; readonly pid: number }[]
}

export interface Consumer {
  readonly id: string
  readonly username?: string
  readonly customId?: string
  readonly tags: readonly string[]
  /** Seconds since the epoch. */
  readonly createdAt?: number
}

export interface Credential {
  readonly id: string
  /** Known over MsgPack only. */
  readonly consumerId?: string
}

export interface Service {
  readonly id: string
  readonly name?: string
  readonly host: string
  readonly port: number
  readonly protocol: string
  readonly path?: string
  readonly retries?: number
  readonly connectTimeoutMs?: number
  readonly writeTimeoutMs?: number
  readonly readTimeoutMs?: number
  readonly tags: readonly string[]
}

export interface Route {
  readonly id: string
  readonly name?: string
  readonly protocols: readonly string[]
  readonly methods: readonly string[]
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly serviceId?: string
  readonly tags: readonly string[]
}
