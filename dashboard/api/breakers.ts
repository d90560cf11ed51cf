import type { List } from './list.ts'
import { client } from './session.ts'

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
