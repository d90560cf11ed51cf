/** Which fields of an answer are stored, and those that the cache adds. */
import type { HeaderMap } from '../../sdk/sdk.ts'
import { joined } from './directives.ts'

/**
 * What describes the representation, how it may be cached, and how a browser must treat it. All else may belong to one
 * request or one connection: counters of limits, ids, CORS, cookies.
 */
const STORED = new Set([
  ...['content-type', 'content-encoding', 'content-language', 'content-location', 'content-disposition'],
  ...['content-digest', 'repr-digest', 'digest', 'etag', 'last-modified', 'location', 'link', 'retry-after'],
  ...['cache-control', 'expires', 'date', 'vary', 'allow', 'deprecation', 'sunset', 'x-robots-tag'],
  ...['content-security-policy', 'content-security-policy-report-only', 'strict-transport-security'],
  ...['x-content-type-options', 'x-frame-options', 'referrer-policy', 'permissions-policy'],
  ...['cross-origin-resource-policy', 'cross-origin-opener-policy', 'cross-origin-embedder-policy'],
])

export function storedFields(headers: HeaderMap, keepHeaders: ReadonlySet<string>): HeaderMap {
  const kept: Record<string, string | readonly string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (STORED.has(name) || keepHeaders.has(name)) kept[name] = value
  return kept
}

/** Of the representation's fields, those that a 304 carries (RFC 9110 section 15.4.5). */
const IN_NOT_MODIFIED = [
  'cache-control',
  'content-location',
  'date',
  'etag',
  'expires',
  'vary',
  'last-modified',
]

export const notModifiedFields = (headers: HeaderMap): HeaderMap =>
  Object.fromEntries(IN_NOT_MODIFIED.flatMap(name => (headers[name] ? [[name, headers[name]]] : [])))

/** `Surrogate-Key`: tags by which an answer can be purged, parted by spaces. At most 128, as Fastly has it. */
export function tagsOf(headers: HeaderMap): readonly string[] {
  const value = joined(headers['surrogate-key'])
  return value === undefined ? [] : [...new Set(value.split(/[\s,]+/))].filter(Boolean).slice(0, 128)
}

/** Why a request went on to the service (RFC 9211 section 2.2). */
export type Forward = 'uri-miss' | 'vary-miss' | 'miss' | 'stale' | 'request' | 'method' | 'bypass'

export interface HitStatus {
  /** What is left of its lifetime, milliseconds; below 0 when it is stale. */
  readonly ttlMs: number
  readonly detail?: string
}

/** An element of `Cache-Status` for an answer from the cache. */
export const hitStatus = (name: string, { ttlMs, detail }: HitStatus): string =>
  `${name}; hit; ttl=${Math.floor(ttlMs / 1000)}${detail === undefined ? '' : `; detail=${detail}`}`

export interface MissStatus {
  readonly forward: Forward
  readonly status?: number
  readonly isStored?: boolean
  /** It came with the request of another client. */
  readonly isCollapsed?: boolean
  readonly detail?: string
}

/** An element of `Cache-Status` for an answer of the service. */
export function missStatus(
  name: string,
  { forward, status, isStored, isCollapsed, detail }: MissStatus,
): string {
  return [
    name,
    `fwd=${forward}`,
    ...(status === undefined ? [] : [`fwd-status=${status}`]),
    ...(isStored ? ['stored'] : []),
    ...(isCollapsed ? ['collapsed'] : []),
    ...(detail === undefined ? [] : [`detail=${detail}`]),
  ].join('; ')
}
