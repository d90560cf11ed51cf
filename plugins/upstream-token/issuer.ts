import type { SignOptions } from 'jsonwebtoken'
import { BoundedMap, type Clock } from '../../sdk/sdk.ts'
import type { Identity } from './claims.ts'
import type { KeyRing } from './key-ring.ts'
import type { SigningKey } from './signing-key.ts'

/** Tokens in memory, about 1 KB each. */
const TOKENS_KEPT = 20_000
/** A token is used for this share of its life. */
const RENEWED_AT = 0.8

export interface Lifetime {
  /** Seconds from now to `exp`. */
  readonly expiresIn: number
  /** Seconds that `iat` lies before now. */
  readonly clockSkew: number
}

/** Signs claims with ES256. A signature takes 40 µs (bench/token.ts). */
export type Sign = (claims: object, key: SigningKey) => string

interface Kept {
  readonly token: string
  readonly kid: string
  readonly signedAtMs: number
  readonly renewAtMs: number
}

export interface IssuerParts {
  readonly ring: KeyRing
  readonly clock: Clock
  readonly sign: Sign
  readonly onIssued: (outcome: 'signed' | 'cached') => void
  /** Called when another key begins to sign. */
  readonly onKeyChanged: (key: SigningKey, before: SigningKey | undefined) => void
}

/** Loads jsonwebtoken, which takes 86 ms: a process that signs nothing does not pay for it. */
export async function loadSign(): Promise<Sign> {
  const { default: jwt } = await import('jsonwebtoken')
  return (claims, { kid, privateKey }) => {
    const options: SignOptions = { algorithm: 'ES256', keyid: kid }
    return jwt.sign(claims, privateKey, options)
  }
}

/**
 * Gives tokens, each used for 80 % of its life by all requests with the same claims. A rotation makes no token
 * invalid: those that the key before has signed are used up, unless that key is no longer published.
 */
export class TokenIssuer {
  readonly #parts: IssuerParts
  readonly #tokens = new BoundedMap<Kept>(TOKENS_KEPT)
  #signedWith: SigningKey | undefined

  constructor(parts: IssuerParts) {
    this.#parts = parts
  }

  /** @throws SluiceError SLUICE_TOKEN_KEYS where there is no key. */
  issue(identity: Identity, lifetime: Lifetime): string {
    const { ring, clock, sign, onIssued } = this.#parts
    const key = ring.current()
    const nowMs = clock.now()
    // As JSON, so that no claim can be written to look like two.
    const name = JSON.stringify([lifetime.expiresIn, lifetime.clockSkew, identity])
    const kept = this.#tokens.get(name)
    // One from the future was signed before the clock was set back: its `iat` would be refused.
    if (kept && nowMs >= kept.signedAtMs && nowMs < kept.renewAtMs && ring.has(kept.kid)) {
      onIssued('cached')
      return kept.token
    }
    this.#noteKey(key)
    const now = Math.floor(nowMs / 1_000)
    const claims = { ...identity, iat: now - lifetime.clockSkew, exp: now + lifetime.expiresIn }
    const token = sign(claims, key)
    const renewAtMs = nowMs + lifetime.expiresIn * 1_000 * RENEWED_AT
    this.#tokens.set(name, { token, kid: key.kid, signedAtMs: nowMs, renewAtMs })
    onIssued('signed')
    return token
  }

  #noteKey(key: SigningKey): void {
    if (key.kid === this.#signedWith?.kid) return
    this.#parts.onKeyChanged(key, this.#signedWith)
    this.#signedWith = key
  }
}
