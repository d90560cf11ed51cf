import { createHash } from 'node:crypto'
import { isObject } from '../schema/spec.ts'
import { defineEntity, type Reference } from './entity.ts'
import { checkTag } from './validators.ts'

export type BasicAuthCredential = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly username: string
  /** SHA-1, in hex, of the password followed by the consumer's id (Kong's own way of storing it). */
  readonly password: string
  readonly tags: readonly string[] | null
}

export const basicAuth = defineEntity({
  name: 'basicauth_credentials',
  noun: 'basic-auth credential',
  path: 'basic-auths',
  nestedPath: 'basic-auth',
  endpointKey: 'username',
  cacheKey: ['username'],
  identity: [['username']],
  fixed: ['consumer'],
  secrets: ['password'],
  shownBy: ['username'],
  together: ['password', 'consumer'],
  rules: {
    '': { transformations: [{ input: ['password'], needs: ['consumer.id'] }] },
    'tags.elements': checkTag,
  },
  transform: (row, { password }) =>
    typeof password === 'string' && isObject(row.consumer)
      ? { ...row, password: hashPassword(password, String(row.consumer.id)) }
      : row,
})

/** How Kong stores a password: SHA-1, in hex, of the password followed by the id of its consumer. */
export function hashPassword(password: string, consumerId: string): string {
  return createHash('sha1').update(password).update(consumerId).digest('hex')
}
