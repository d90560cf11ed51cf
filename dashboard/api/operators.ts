import type { List } from './list.ts'
import { client } from './session.ts'

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
