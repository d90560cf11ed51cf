import { defineEntity, type Reference } from './entity.ts'
import { checkTag } from './validators.ts'

export type HmacAuthCredential = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly username: string
  readonly secret: string
  readonly tags: readonly string[] | null
}

export const hmacAuth = defineEntity({
  name: 'hmacauth_credentials',
  noun: 'hmac-auth credential',
  path: 'hmac-auths',
  nestedPath: 'hmac-auth',
  endpointKey: 'username',
  cacheKey: ['username'],
  identity: [['username']],
  fixed: ['consumer'],
  secrets: ['secret'],
  shownBy: ['username'],
  rules: { 'tags.elements': checkTag },
})
