import { createPublicKey } from 'node:crypto'
import { isObject, isVaultReference } from '../schema/spec.ts'
import { defineEntity, type Reference } from './entity.ts'
import { checkKeyPair } from './pem.ts'
import { checkTag } from './validators.ts'

export type Key = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly kid: string
  readonly set: Reference | null
  /** A JSON Web Key, as a string; either this or `pem` is given. */
  readonly jwk: string | null
  readonly pem: { readonly private_key: string | null; readonly public_key: string | null } | null
  readonly tags: readonly string[] | null
}

export const key = defineEntity({
  name: 'keys',
  noun: 'key',
  endpointKey: 'name',
  cacheKey: ['kid', 'set'],
  identity: [['name'], ['kid', 'set']],
  secrets: ['jwk', 'pem'],
  shownBy: ['name', 'kid'],
  rules: { '': { checks: [checkJwk] }, pem: checkPem, 'tags.elements': checkTag },
})

function checkJwk({ jwk, kid }: { readonly jwk?: string | null; readonly kid?: string }): string | undefined {
  if (typeof jwk !== 'string' || isVaultReference(jwk)) return undefined
  const parsed = parseJson(jwk)
  if (parsed === undefined) return 'could not json decode jwk string'
  if (!isObject(parsed) || parsed.kid !== kid) return 'kid in jwk.kid must be equal to keys.kid'
  try {
    createPublicKey({ key: parsed, format: 'jwk' })
    return undefined
  } catch {
    return 'could not load JWK, likely not a valid key'
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function checkPem(pair: Parameters<typeof checkKeyPair>[0]): string | undefined {
  return Object.values(pair).some(isVaultReference) ? undefined : checkKeyPair(pair)
}
