import type { Breaker } from './breakers.ts'
import { client } from './session.ts'

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
