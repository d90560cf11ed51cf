/** What a request wants of the cache. Pure. */
import type { HeaderMap } from '../../sdk/sdk.ts'
import { joined } from './directives.ts'

export interface RequestLine {
  readonly method: string
  /** Of a target that is a whole URL: Kong tells the service this host, whatever `Host` says. */
  readonly authority: string | undefined
  /** Path with its query, as the client sent it. */
  readonly target: string
  readonly path: string
  readonly query: string
}

/** Stands for bytes that are not UTF-8: texts that are the same here may differ on the wire. */
const ILLEGIBLE = '\ufffd'

/** @param line nginx's `$request`: `GET /path?query HTTP/1.1` */
export function parseRequestLine(line: string): RequestLine | undefined {
  if (line.includes(ILLEGIBLE)) return undefined
  const [, method, uri] = /^([A-Z]+) (\S+) HTTP\/[\d.]+$/.exec(line) ?? []
  if (method === undefined || uri === undefined) return undefined
  const authority = uri.startsWith('/') ? undefined : /^https?:\/\/[^/?#]*/i.exec(uri)?.[0]
  const target = uri.slice(authority?.length ?? 0)
  if (!target.startsWith('/')) return undefined
  const mark = target.indexOf('?')
  return mark < 0
    ? { method, authority, target, path: target, query: '' }
    : { method, authority, target, path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** More fields than Kong hands out may hide a credential. */
export const MAX_FIELDS = 100

/**
 * - `lookup`: it may be answered from the cache.
 * - `invalidate`: it may change what is stored.
 * - `pass`: the cache has nothing to do with it.
 */
export type Intent = 'lookup' | 'invalidate' | 'pass'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** Conditions that need the service's own view, and parts: nginx answers some of them with nothing at all. */
const NOT_FROM_CACHE = [
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
  'upgrade',
  'transfer-encoding',
]

const CONDITIONS = ['if-match', 'if-unmodified-since', 'if-none-match', 'if-modified-since']

/** Whether a change depends on the version that the service has. */
export const isConditional = (headers: HeaderMap): boolean =>
  CONDITIONS.some(name => headers[name] !== undefined)

/** Whether the answer may be a stream of events, which must not be kept back until its end. */
export const wantsEvents = ({ accept }: HeaderMap): boolean =>
  accept !== undefined && /\btext\/event-stream\b/i.test(joined(accept) ?? '')

export function intentOf(method: string, headers: HeaderMap): Intent {
  if (!SAFE.has(method)) return 'invalidate'
  if (wantsEvents(headers)) return 'pass'
  if (method !== 'GET' && method !== 'HEAD') return 'pass'
  if (NOT_FROM_CACHE.some(name => headers[name] !== undefined)) return 'pass'
  const length = headers['content-length']
  if (length !== undefined && length !== '0') return 'pass'
  return areKnown(headers) ? 'lookup' : 'pass'
}

/** All fields are there, and each is told apart from every other value that it could have. */
function areKnown(headers: HeaderMap): boolean {
  let count = 0
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || isIllegible(value)) return false
    count += typeof value === 'string' ? 1 : value.length
  }
  return count < MAX_FIELDS
}

/** Whether a field's value was bytes that are not UTF-8, which are lost here. */
export const isIllegible = (value: string | readonly string[]): boolean =>
  typeof value === 'string' ? value.includes(ILLEGIBLE) : value.some(line => line.includes(ILLEGIBLE))

/**
 * Whether the client already has the stored answer (RFC 9110 section 13.2.2): `If-None-Match` counts, and only without
 * it `If-Modified-Since`.
 */
export function isNotModified(request: HeaderMap, stored: HeaderMap): boolean {
  const wanted = joined(request['if-none-match'])
  if (wanted !== undefined) {
    if (wanted.trim() === '*') return true
    const tag = joined(stored.etag)
    return tag !== undefined && wanted.split(',').some(one => weak(one) === weak(tag))
  }
  const since = joined(request['if-modified-since'])
  return since !== undefined && Date.parse(joined(stored['last-modified']) ?? '') <= Date.parse(since)
}

const weak = (tag: string): string => tag.trim().replace(/^W\//, '')
