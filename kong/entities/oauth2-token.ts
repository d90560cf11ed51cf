import { defineEntity, type Reference } from './entity.ts'

export type OAuth2Token = {
  readonly id: string
  readonly created_at: number
  readonly credential: Reference
  readonly service: Reference | null
  readonly token_type: 'bearer'
  /** Seconds. */
  readonly expires_in: number
  readonly access_token: string
  readonly refresh_token: string | null
  readonly authenticated_userid: string | null
  readonly scope: string | null
  /** Seconds that are left to live; null: for ever. */
  readonly ttl: number | null
}

export const oauth2Token = defineEntity({
  name: 'oauth2_tokens',
  noun: 'OAuth 2 token',
  endpointKey: 'access_token',
  cacheKey: ['access_token'],
  identity: [['access_token']],
  secrets: ['access_token', 'refresh_token'],
  shownBy: [],
  writeOnly: ['ttl'],
  rules: { '': { ttl: true } },
})
