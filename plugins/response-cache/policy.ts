/**
 * What RFC 9111 lets a shared cache do, and RFC 5861 with stale answers. Pure: ages come in.
 *
 * Stricter than the RFC in what is stored: nothing with `Set-Cookie`, `private` or `no-cache`, and nothing without a
 * lifetime. The age of an answer is its `Age` and the time since: its `Date` is not compared with this node's clock,
 * since the clocks may differ.
 */
import type { HeaderMap } from '../../sdk/sdk.ts'
import { type Directives, directivesOf, joined, seconds } from './directives.ts'

/** Statuses whose meaning for a cache is known here (RFC 9110 section 15.1 and redirects). */
const UNDERSTOOD = new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501])
/** Those that may be stored without an explicit lifetime. */
const DEFAULT = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
/** An error for `stale-if-error` (RFC 5861 section 4). */
const ERRORS = new Set([500, 502, 503, 504])

/** How an operator wants it. */
export interface CachePolicy {
  /** One answer for all consumers: then it must be marked as such. */
  readonly isShared: boolean
  /** Seconds, for answers that name no lifetime; 0: they are not stored. */
  readonly defaultTtl: number
  /** Seconds; longer lifetimes are cut. */
  readonly maxTtl: number
  /** Seconds, for answers that have a lifetime and do not name their own. */
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
}

/** Milliseconds. */
export interface Lifetime {
  readonly freshMs: number
  /** Behind `freshMs`, in which it may be served while it is fetched anew. */
  readonly whileRevalidateMs: number
  /** Behind `freshMs`, in which it may be served when the service fails. */
  readonly ifErrorMs: number
}

/** Why an answer is not stored: a word for `Cache-Status` and metrics. */
export type Refusal =
  | 'status'
  | 'no-store'
  | 'no-cache'
  | 'private'
  | 'set-cookie'
  | 'vary'
  | 'not-public'
  | 'no-lifetime'
  | 'too-large'
  | 'incomplete'
  | 'illegible'
  | 'not-modified'

export type Storing = { readonly lifetime: Lifetime } | { readonly refusal: Refusal }

export const isError = (status: number): boolean => ERRORS.has(status)

interface Answer {
  readonly status: number
  readonly headers: HeaderMap
}

/**
 * Whether the answer to a GET may be stored, and for how long it is good.
 *
 * A request with `no-store` does not come this far; whether `Authorization` forbids it is a matter of the key, which
 * holds it unless the answer is for all.
 */
export function judge({ status, headers }: Answer, policy: CachePolicy): Storing {
  const directives = directivesOf(headers)
  const refusal = refusalOf({ status, headers }, directives, policy)
  if (refusal !== undefined) return { refusal }
  const explicit = explicitSeconds(headers, directives)
  const needsNone = DEFAULT.has(status) || directives.has('public')
  if (explicit === undefined && !needsNone) return { refusal: 'no-lifetime' }
  const lifetime = lifetimeOf(explicit, directives, policy)
  return lastsMs(lifetime) > initialAgeMs(headers) ? { lifetime } : { refusal: 'no-lifetime' }
}

function refusalOf(
  { status, headers }: Answer,
  directives: Directives,
  { isShared }: CachePolicy,
): Refusal | undefined {
  if (!UNDERSTOOD.has(status)) return 'status'
  if (directives.has('no-store')) return 'no-store'
  if (directives.has('no-cache')) return 'no-cache'
  if (directives.has('private')) return 'private'
  if (headers['set-cookie'] !== undefined) return 'set-cookie'
  if (varyNames(headers) === '*') return 'vary'
  const isMarked = directives.has('public') || directives.has('s-maxage')
  return isShared && !isMarked ? 'not-public' : undefined
}

/** `s-maxage`, `max-age`, `Expires`, in this order (RFC 9111 section 4.2.1). */
function explicitSeconds(headers: HeaderMap, directives: Directives): number | undefined {
  const stated = seconds(directives, 's-maxage') ?? seconds(directives, 'max-age')
  if (stated !== undefined) return stated
  const expires = joined(headers.expires)
  if (expires === undefined) return undefined
  const lasts = (Date.parse(expires) - Date.parse(joined(headers.date) ?? '')) / 1000
  // Both are the service's own times. One that can't be read has passed.
  return Number.isNaN(lasts) ? 0 : Math.max(lasts, 0)
}

function lifetimeOf(explicit: number | undefined, directives: Directives, policy: CachePolicy): Lifetime {
  const fresh = Math.min(explicit ?? policy.defaultTtl, policy.maxTtl)
  // An operator's windows are for what is good for a while; what must be asked for each time is of use in need only.
  const whileRevalidate = fresh > 0 ? policy.staleWhileRevalidate : 0
  const ifError = fresh > 0 || explicit !== undefined ? policy.staleIfError : 0
  const isStrict = directives.has('must-revalidate') || directives.has('proxy-revalidate')
  const windowMs = (name: string, standard: number) =>
    isStrict ? 0 : Math.min(seconds(directives, name) ?? standard, policy.maxTtl) * 1000
  return {
    freshMs: fresh * 1000,
    whileRevalidateMs: windowMs('stale-while-revalidate', whileRevalidate),
    ifErrorMs: windowMs('stale-if-error', ifError),
  }
}

/** How old an answer may become before it is of no use. */
export const lastsMs = ({ freshMs, whileRevalidateMs, ifErrorMs }: Lifetime): number =>
  freshMs + Math.max(whileRevalidateMs, ifErrorMs)

/** The age that the answer had when it came (RFC 9111 section 4.2.3, without the apparent age). */
export function initialAgeMs(headers: HeaderMap): number {
  const age = joined(headers.age)
  return age !== undefined && /^\d+/.test(age) ? Number.parseInt(age, 10) * 1000 : 0
}

/** Lower-case names of the fields that select the answer, sorted; `*` where nothing can. */
export function varyNames(headers: HeaderMap): readonly string[] | '*' {
  const value = joined(headers.vary)
  if (value === undefined) return []
  const names = new Set(value.split(',').map(name => name.trim().toLowerCase()))
  names.delete('')
  return names.has('*') ? '*' : [...names].sort()
}

/**
 * What may be done with a stored answer:
 *
 * - `use` it;
 * - `use-and-refresh`: it is stale, within its `stale-while-revalidate`;
 * - `ask-first`: it is of use only when the service fails;
 * - `none`.
 */
export type Use = 'use' | 'use-and-refresh' | 'ask-first' | 'none'

/** @param request directives of the client, which RFC 9111 section 5.2.1 lets it have. */
export function usable(lifetime: Lifetime, ageMs: number, request: Directives): Use {
  const onError: Use = ageMs < lifetime.freshMs + lifetime.ifErrorMs ? 'ask-first' : 'none'
  if (request.has('no-cache')) return onError
  const maxAge = seconds(request, 'max-age')
  if (maxAge !== undefined && ageMs > maxAge * 1000) return onError
  const minFresh = seconds(request, 'min-fresh')
  if (minFresh !== undefined && lifetime.freshMs - ageMs < minFresh * 1000) return onError
  if (ageMs < lifetime.freshMs) return 'use'
  return ageMs < lifetime.freshMs + lifetime.whileRevalidateMs ? 'use-and-refresh' : onError
}
