/** Makes Kong's plugin `jwt` accept whoever signs with the keys of a JWKS: one jwt credential a key, found by its kid. */
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { AdminClient, Row } from '../../kong/admin/client.ts'

/** Marks the credentials that a sync made; no other is ever touched. */
export const SYNC_TAG = 'sluice-token-sync'
const FETCH_WITHIN_MS = 10_000
const MAX_KEYS = 100
/** What Kong's jwt_secrets take, by the kind of key; the first where the key names none. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'EC P-521': ['ES512'],
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
}

export interface PublishedKey {
  readonly kid: string
  readonly algorithm: string
  /** PEM of the public key. */
  readonly pem: string
}

export interface SyncReport {
  readonly created: readonly string[]
  readonly kept: readonly string[]
  readonly deleted: readonly string[]
}

/** @throws SluiceError SLUICE_TOKEN_JWKS where it can't be fetched, or holds what is no public signing key. */
export async function fetchKeys(url: string): Promise<readonly PublishedKey[]> {
  let set: { readonly keys?: unknown }
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_WITHIN_MS) })
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    set = (await answer.json()) as typeof set
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    throw new SluiceError('SLUICE_TOKEN_JWKS', `${url}: ${messageOf(cause ?? error)}`)
  }
  const keys = Array.isArray(set?.keys) ? set.keys : []
  // Nothing published looks like every key withdrawn, and would lock all users out.
  if (keys.length === 0 || keys.length > MAX_KEYS)
    throw new SluiceError('SLUICE_TOKEN_JWKS', `${url} publishes ${keys.length} keys`)
  return keys.map((key, index) => readKey(key, `${url}: keys[${index}]`))
}

function readKey(
  jwk: JsonWebKey & { readonly kid?: unknown; readonly alg?: unknown },
  where: string,
): PublishedKey {
  const { kid, alg } = jwk ?? {}
  if (typeof kid !== 'string' || kid === '') throw new SluiceError('SLUICE_TOKEN_JWKS', `${where} has no kid`)
  const kind = jwk.kty === 'EC' ? `EC ${jwk.crv}` : String(jwk.kty)
  const taken = Object.hasOwn(ALGORITHMS, kind) ? (ALGORITHMS[kind] ?? []) : []
  const algorithm = alg === undefined ? taken[0] : taken.find(one => one === alg)
  // A symmetric key in public would let everybody sign, and so might a public key for a symmetric algorithm.
  if (algorithm === undefined || 'd' in jwk)
    throw new SluiceError(
      'SLUICE_TOKEN_JWKS',
      `${where} is no public key that Kong can verify with: ${kind}${alg === undefined ? '' : ` for ${String(alg)}`}`,
    )
  try {
    const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    return { kid, algorithm, pem: pem.toString() }
  } catch (error) {
    throw new SluiceError('SLUICE_TOKEN_JWKS', `${where}: ${messageOf(error)}`)
  }
}

/**
 * Gives the consumer a credential for each key, and takes away those that an earlier sync made for keys that are no
 * longer published. Idempotent.
 *
 * @throws SluiceError SLUICE_CLI_USAGE for a consumer that Kong does not have; AdminRefused, AdminUnreachable
 */
export async function syncKeys(
  client: AdminClient,
  consumer: string,
  keys: readonly PublishedKey[],
): Promise<SyncReport> {
  const collection = `/consumers/${encodeURIComponent(consumer)}/jwt`
  const found = await client.list(collection)
  if (!found) throw new SluiceError('SLUICE_CLI_USAGE', `Kong has no consumer ${JSON.stringify(consumer)}`)
  const known = new Map(found.map(row => [String(row.key), row]))
  // A service may have put another key under an id that it used before.
  const isThere = ({ kid, algorithm, pem }: PublishedKey) => {
    const row = known.get(kid)
    return row && row.algorithm === algorithm && String(row.rsa_public_key).trim() === pem.trim()
  }
  const missing = keys.filter(key => !isThere(key))
  for (const { kid, algorithm, pem } of missing) {
    const row = known.get(kid)
    if (row && !isOurs(row))
      throw new SluiceError(
        'SLUICE_TOKEN_JWKS',
        `${consumer} has another credential with the key ${kid} already`,
      )
    if (row) await client.request('DELETE', `${collection}/${String(row.id)}`)
    await client.request('POST', collection, { key: kid, algorithm, rsa_public_key: pem, tags: [SYNC_TAG] })
  }
  const published = new Set(keys.map(({ kid }) => kid))
  const stale = found.filter(row => isOurs(row) && !published.has(String(row.key)))
  for (const { id } of stale) await client.request('DELETE', `${collection}/${String(id)}`)
  return {
    created: missing.map(({ kid }) => kid),
    kept: keys.filter(isThere).map(({ kid }) => kid),
    deleted: stale.map(row => String(row.key)),
  }
}

const isOurs = ({ tags }: Row) => Array.isArray(tags) && tags.includes(SYNC_TAG)
