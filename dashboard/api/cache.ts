import { client } from './session.ts'

/** How many answers response-cache has stored. */
export const readCache = (): Promise<{ readonly stored: number }> => client.get('/v1/cache')

export interface Purge {
  readonly kind: string
  readonly value?: string
  readonly host?: string
  readonly reason: string
}

export const purgeCache = (body: Purge) => client.ask('POST', '/v1/cache/purge', { body })
