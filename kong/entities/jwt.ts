import { defineEntity, type Reference } from './entity.ts'
import { readKey } from './pem.ts'
import { checkTag } from './validators.ts'

export type JwtSecret = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly key: string
  readonly secret: string | null
  readonly rsa_public_key: string | null
  readonly algorithm: string
  readonly tags: readonly string[] | null
}

const checkPublicKey = (key: string): string | undefined => (readKey(key) ? undefined : 'invalid key')

export const jwt = defineEntity({
  name: 'jwt_secrets',
  noun: 'JWT credential',
  path: 'jwts',
  nestedPath: 'jwt',
  endpointKey: 'key',
  cacheKey: ['key'],
  identity: [['key']],
  fixed: ['consumer'],
  secrets: ['key', 'secret'],
  shownBy: [],
  rules: { '': { conditions: { rsa_public_key: checkPublicKey } }, 'tags.elements': checkTag },
})
