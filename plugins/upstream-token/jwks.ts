import type { PublicJwk, SigningKey } from './signing-key.ts'

/** Services may keep the keys for so long, seconds; a key signs two times that after it was published. */
export const JWKS_MAX_AGE_S = 300
export const JWKS_PATH = '/.well-known/jwks.json'

export interface KeySet {
  readonly keys: readonly PublicJwk[]
}

/** The JSON Web Key Set (RFC 7517) of the keys' public halves, those of the future included. */
export const keySetOf = (keys: readonly SigningKey[]): KeySet => ({ keys: keys.map(({ jwk }) => jwk) })
