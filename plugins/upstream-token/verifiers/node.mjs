// Verifies the token by which the gateway shows that a request came through it. Needs jsonwebtoken.
// This file stands alone: copy it into a service of your own.
import { createPublicKey } from 'node:crypto'
import jwt from 'jsonwebtoken'

/** Resolves with the token's claims; rejects when the token is refused, or when there are no keys to judge it by. */
export function createVerifier({ jwksUrl, audience, issuer = 'sluice', keepMs = 300_000, retryMs = 10_000 }) {
  let keys = new Map()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let fetching
  // Keeps the keys it has when the fetch fails.
  const refetch = async () => {
    fetchedAt = performance.now()
    const answer = await fetch(jwksUrl, { signal: AbortSignal.timeout(3_000) })
    const set = await answer.json()
    keys = new Map(set.keys.map(key => [key.kid, createPublicKey({ key, format: 'jwk' })]))
  }
  return async token => {
    const kid = jwt.decode(token ?? '', { complete: true })?.header.kid
    const age = performance.now() - fetchedAt
    // Refetches for an unknown kid every 10 s at most, and every 5 minutes anyway. Who has its key does not wait.
    if (!fetching && age > (keys.has(kid) ? keepMs : keys.size > 0 ? retryMs : 1_000))
      fetching = refetch()
        .catch(() => {})
        .finally(() => (fetching = undefined))
    if (!keys.has(kid)) await fetching
    if (!keys.has(kid)) throw new Error(keys.size === 0 ? 'no keys' : 'unknown key')
    return jwt.verify(token, keys.get(kid), { algorithms: ['ES256'], audience, issuer, clockTolerance: 5 })
  }
}
