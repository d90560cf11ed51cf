import { isProblem, parseHost } from './address.ts'
import { defineEntity, type Reference } from './entity.ts'
import { checkUriPath } from './paths.ts'
import {
  checkCookieName,
  checkHeaderName,
  checkHostAndPort,
  checkServerName,
  checkTag,
} from './validators.ts'

export type Upstream = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string
  readonly algorithm: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency'
  readonly hash_on: string
  readonly hash_fallback: string
  readonly hash_on_header: string | null
  readonly hash_fallback_header: string | null
  readonly hash_on_cookie: string | null
  readonly hash_on_cookie_path: string | null
  readonly hash_on_query_arg: string | null
  readonly hash_fallback_query_arg: string | null
  readonly hash_on_uri_capture: string | null
  readonly hash_fallback_uri_capture: string | null
  readonly slots: number
  readonly healthchecks: Readonly<Record<string, unknown>>
  readonly tags: readonly string[] | null
  readonly host_header: string | null
  readonly client_certificate: Reference | null
  readonly use_srv_name: boolean
}

export const upstream = defineEntity({
  name: 'upstreams',
  noun: 'upstream',
  endpointKey: 'name',
  identity: [['name']],
  rules: {
    // Choosing an algorithm chooses what to hash on, and the other way round.
    '': {
      shorthand_fields: [
        { algorithm: { type: 'string', func: hashOfAlgorithm } },
        { hash_on: { type: 'string', func: algorithmOfHash } },
      ],
    },
    name: checkUpstreamName,
    hash_on_header: checkHeaderName,
    hash_fallback_header: checkHeaderName,
    hash_on_cookie: checkCookieName,
    hash_on_cookie_path: checkUriPath,
    'healthchecks.active.http_path': checkUriPath,
    'healthchecks.active.https_sni': checkServerName,
    'healthchecks.active.headers.keys': checkHeaderName,
    host_header: checkHostAndPort,
    'tags.elements': checkTag,
  },
  // Without anything to hash on, a real Kong answers `round-robin`.
  transform: row =>
    row.hash_on === 'none' && row.algorithm === 'consistent-hashing'
      ? { ...row, algorithm: 'round-robin' }
      : row,
})

function hashOfAlgorithm(value: string | null): Record<string, unknown> {
  return value === 'least-connections' || value === 'latency'
    ? { algorithm: value, hash_on: null }
    : { algorithm: value }
}

function algorithmOfHash(value: string | null): Record<string, unknown> {
  if (value === null) return { hash_on: 'none' }
  if (value === 'none') return { hash_on: value, algorithm: 'round-robin' }
  return { hash_on: value, algorithm: 'consistent-hashing' }
}

function checkUpstreamName(name: string): string | undefined {
  const parsed = parseHost(name)
  const prefix = `Invalid name ('${name}'); `
  if (isProblem(parsed)) return `${prefix}must be a valid hostname`
  if (parsed.type !== 'name') return `${prefix}no ip addresses allowed`
  return parsed.port === undefined ? undefined : `${prefix}no port allowed`
}
