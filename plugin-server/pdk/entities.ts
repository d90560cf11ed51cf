/** Entities as a plugin server sees them. Over ProtoBuf an empty string and an absent value look the same. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Lower-case names; a header that came several times has several values. */
export type HeaderMap = Readonly<Record<string, string | readonly string[]>>

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
