import { pbkdf2Sync } from 'node:crypto'
import type { AutoValues } from '../schema/field.ts'
import { defineEntity, type Reference } from './entity.ts'
import { splitUrl } from './url.ts'
import { checkTag } from './validators.ts'

export type OAuth2Credential = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly name: string
  readonly client_id: string
  /** As it was given, or its hash where `hash_secret` is set. */
  readonly client_secret: string
  readonly hash_secret: boolean
  readonly redirect_uris: readonly string[] | null
  readonly client_type: 'confidential' | 'public'
  readonly tags: readonly string[] | null
}

export const oauth2Credential = defineEntity({
  name: 'oauth2_credentials',
  noun: 'OAuth 2 application',
  path: 'oauth2',
  endpointKey: 'client_id',
  cacheKey: ['client_id'],
  identity: [['client_id']],
  fixed: ['consumer'],
  secrets: ['client_id', 'client_secret'],
  shownBy: ['name'],
  together: ['client_secret', 'hash_secret'],
  writeOnly: ['ttl'],
  rules: {
    '': { transformations: [{ input: ['hash_secret'], needs: ['client_secret'] }] },
    'redirect_uris.elements': checkRedirectUri,
    'tags.elements': checkTag,
  },
  transform: (row, { hash_secret }, auto) =>
    hash_secret === true && typeof row.client_secret === 'string'
      ? { ...row, client_secret: hashSecret(row.client_secret, auto) }
      : row,
})

function checkRedirectUri(uri: string): string | undefined {
  const { host, scheme, fragment } = splitUrl(uri)
  if (host === undefined || scheme === undefined) return `cannot parse '${uri}'`
  return fragment === undefined ? undefined : `fragment not allowed in '${uri}'`
}

const ITERATIONS = 10_000
const HASH_BYTES = 32

/** How Kong stores a secret: PBKDF2 in the PHC string format, base64 without padding. */
function hashSecret(secret: string, auto: AutoValues): string {
  const salt = auto.randomString().slice(0, 16)
  const hash = pbkdf2Sync(secret, salt, ITERATIONS, HASH_BYTES, 'sha512')
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  return `$pbkdf2-sha512$i=${ITERATIONS},l=${HASH_BYTES}$${base64(Buffer.from(salt))}$${base64(hash)}`
}
