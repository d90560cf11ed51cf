import { defineEntity, type Reference } from './entity.ts'
import { checkTag } from './validators.ts'

export type KeyAuthCredential = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly key: string
  readonly tags: readonly string[] | null
  /** Seconds that are left to live; null: for ever. */
  readonly ttl: number | null
}

export const keyAuth = defineEntity({
  name: 'keyauth_credentials',
  noun: 'key-auth credential',
  path: 'key-auths',
  nestedPath: 'key-auth',
  endpointKey: 'key',
  cacheKey: ['key'],
  identity: [['key']],
  fixed: ['consumer'],
  secrets: ['key'],
  shownBy: [],
  writeOnly: ['ttl'],
  rules: { '': { ttl: true }, 'tags.elements': checkTag },
})
