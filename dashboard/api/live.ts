import type { Json } from '../model/schema.ts'
import { client } from './session.ts'

interface List<T> {
  readonly data: readonly T[]
}

export interface Breaker {
  /** `service:<id>` or `route:<id>` */
  readonly breaker: string
  readonly name: string | null
  readonly state: string
  readonly since_ms: number | null
  readonly remaining_ms: number
  readonly idle_ms: number | null
  readonly cause: string | null
  readonly window: {
    readonly calls: number
    readonly failures: number
    readonly slow: number
    readonly nodes: number
  }
  /** `auto`, `forced-open`, `forced-closed`, … */
  readonly mode: string
  readonly mode_remaining_ms: number
  readonly actor: string | null
  readonly reason: string | null
}

export const listBreakers = async (): Promise<readonly Breaker[]> =>
  (await client.get<List<Breaker>>('/v1/breakers')).data

export interface BreakerOrder {
  readonly reason: string
  /** Seconds; it ends by itself. */
  readonly seconds: number
}

export const orderBreaker = (
  key: string,
  verb: 'open' | 'close' | 'observe' | 'auto',
  { reason, seconds }: BreakerOrder,
) =>
  client.ask('POST', `/v1/breakers/${encodeURIComponent(key)}/${verb}`, {
    body: { reason, ...(verb !== 'auto' && { seconds }) },
  })

export interface Standing {
  readonly key: string
  /** Where in Kong it is counted. */
  readonly scope: string | null
  readonly subject: string | null
  readonly limits: readonly {
    readonly name: string
    readonly requests: number
    readonly per_seconds: number
    readonly used: number
    readonly left: number
    readonly reset_seconds: number
  }[]
  readonly changes: readonly {
    readonly limit: string
    readonly requests: number
    readonly burst: number
    readonly until: string
  }[]
}

export const readLimits = async (query: Readonly<Record<string, string>>): Promise<readonly Standing[]> =>
  (await client.get<List<Standing>>(`/v1/limits?${new URLSearchParams(query)}`)).data

export type LimitWish =
  | { readonly verb: 'reset'; readonly limit?: string }
  | { readonly verb: 'set'; readonly limit: string; readonly requests: number; readonly seconds: number }
  | { readonly verb: 'unset'; readonly limit: string }

export const changeLimits = (
  subject: Readonly<Record<string, string>>,
  { verb, ...wish }: LimitWish,
  reason: string,
) => client.ask('POST', `/v1/limits/${verb}`, { body: { ...subject, ...wish, reason } })

/** One request, as the audit keeps it. */
export type AuditRecord = Json & { readonly id: string; readonly time: string }

interface AuditPage {
  readonly data: readonly AuditRecord[]
  /** Cursor of the next page. */
  readonly next: string | null
}

/** @param query the questions of `/v1/audit` */
export const searchAudit = (query: URLSearchParams, signal?: AbortSignal): Promise<AuditPage> =>
  client.get<AuditPage>(`/v1/audit?${query}`, signal)

/** Under which fingerprints the audit knows a key. It goes in a body, so that no log of addresses holds it. */
export async function fingerprintsOf(key: string): Promise<readonly string[]> {
  const { body } = await client.ask<Fingerprints>('POST', '/v1/audit/key', { body: { key } })
  return body.fingerprints.map(({ fingerprint }) => fingerprint)
}

interface Fingerprints {
  readonly fingerprints: readonly { readonly fingerprint: string }[]
}

export interface Figures {
  readonly requests: number
  /** Requests a second. */
  readonly rate: number
  /** Answers with 5xx. */
  readonly errors: number
  /** 0 to 1. */
  readonly error_rate: number
  readonly client_errors: number
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number } | null
}

/** One value a step, null where nothing is known. */
export interface Series {
  readonly requests: readonly (number | null)[]
  readonly errors: readonly (number | null)[]
  readonly p50: readonly (number | null)[]
  readonly p95: readonly (number | null)[]
}

export interface Overview {
  readonly as_of: string
  readonly seconds: number
  readonly sources: readonly { readonly url: string; readonly ok: boolean; readonly reason: string | null }[]
  readonly total: Figures
  readonly services: readonly (Figures & { readonly service: string })[]
  readonly breakers: readonly Breaker[] | null
  readonly limits: { readonly allowed: number; readonly refused: number; readonly shed: number }
  readonly sinks: readonly {
    readonly sink: string
    readonly backlog_records: number
    readonly backlog_bytes: number
    readonly lag_seconds: number
    readonly confirmed_rate: number
  }[]
  readonly spool_bytes: number | null
  readonly problems: readonly string[]
  readonly series: {
    readonly step_seconds: number
    /** Seconds since the epoch. */
    readonly at: readonly number[]
    readonly services: Readonly<Record<string, Series>>
    readonly total: Series
  }
}

export const readOverview = (signal?: AbortSignal): Promise<Overview> =>
  client.get<Overview>('/v1/overview', signal)

export interface Drift {
  readonly id: string
  /** Path of its kind. */
  readonly kind: string
  /** What it is called: `service users`. */
  readonly label: string
  readonly action: 'created' | 'updated' | 'deleted'
  /** Which of them were changed. */
  readonly fields: readonly string[]
  readonly found_at: string
  /** It is being taken over. */
  readonly accepted_at: string | null
  readonly before?: Json | null
  readonly after?: Json | null
}

export interface DriftPage {
  /** `adopt`: what differs is taken over by itself; `report`: it waits here. */
  readonly mode: string
  readonly data: readonly Drift[]
}

export const listDrift = (): Promise<DriftPage> => client.get<DriftPage>('/v1/drift')

export const acceptDrift = ({ kind, id }: Drift) => client.ask('POST', `/v1/drift/${kind}/${id}/accept`)

/** One API of the catalogue. */
export interface Api {
  readonly name: string
  readonly title: string
  readonly deprecated: boolean
  readonly sunset: string | null
  readonly routes: readonly {
    readonly paths: readonly string[]
    readonly hosts: readonly string[]
    readonly methods: readonly string[]
    readonly auth: readonly string[]
    readonly limits: readonly {
      readonly tier?: string
      readonly requests: number
      readonly seconds: number
    }[]
  }[]
  readonly document: { readonly operations: number; readonly problem: string | null } | null
  readonly document_problem: string | null
}

export const listApis = async (): Promise<readonly Api[]> =>
  (await client.get<List<Api>>('/v1/catalogue')).data

/** How many answers response-cache has stored. */
export const readCache = (): Promise<{ readonly stored: number }> => client.get('/v1/cache')

export interface Purge {
  readonly kind: string
  readonly value?: string
  readonly host?: string
  readonly reason: string
}

export const purgeCache = (body: Purge) => client.ask('POST', '/v1/cache/purge', { body })

export interface Operator {
  readonly name: string
  readonly role: string
  readonly created_at: string
  readonly disabled_at: string | null
  readonly has_password: boolean
}

export interface Token {
  readonly id: string
  readonly operator: string
  readonly name: string
  readonly created_at: string
  readonly expires_at: string | null
  readonly last_used_at: string | null
  readonly revoked_at: string | null
}

export interface SessionRow {
  readonly id: string
  readonly operator: string
  readonly created_at: string
  readonly expires_at: string
  readonly address: string
  readonly agent: string
  readonly current: boolean
}

const listAt =
  <T>(path: string) =>
  async (): Promise<readonly T[]> =>
    (await client.get<List<T>>(path)).data

export const listOperators = listAt<Operator>('/v1/operators')
export const listTokens = listAt<Token>('/v1/tokens')
export const listSessions = listAt<SessionRow>('/v1/sessions')

export const addOperator = (body: { name: string; role: string; password?: string }) =>
  client.ask('POST', '/v1/operators', { body })

export const disableOperator = (name: string) =>
  client.ask('DELETE', `/v1/operators/${encodeURIComponent(name)}`)

export const addToken = async (body: { operator: string; name: string; days?: number }): Promise<string> =>
  (await client.ask<{ token: string }>('POST', '/v1/tokens', { body })).body.token

export const revokeToken = (id: string) => client.ask('DELETE', `/v1/tokens/${id}`)

export const endSession = (id: string) => client.ask('DELETE', `/v1/sessions/${id}`)
