import { defineEntity } from './entity.ts'

/** What the plugin `session` stores. */
export type Session = {
  readonly id: string
  readonly created_at: number
  readonly session_id: string
  readonly expires: number | null
  readonly data: string | null
  /** Seconds that are left to live; null: for ever. */
  readonly ttl: number | null
}

export const session = defineEntity({
  name: 'sessions',
  noun: 'session',
  endpointKey: 'session_id',
  cacheKey: ['session_id'],
  identity: [['session_id']],
  secrets: ['session_id', 'data'],
  shownBy: [],
  writeOnly: ['ttl'],
  rules: { '': { ttl: true } },
})
