import type { HeaderMap } from '../../sdk/sdk.ts'

/** Directives of `Cache-Control`, names in lower case; true for one without a value. */
export type Directives = ReadonlyMap<string, string | true>

const NONE: Directives = new Map()
/** A token, and behind `=` a token or a quoted string, in which commas belong to the value (RFC 9111 section 5.2). */
const DIRECTIVE = /([^\s,="]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s,]*)))?/g

/** @returns the first of a directive that stands twice (RFC 9111 section 4.2.1). */
export function parseCacheControl(value: string | undefined): Directives {
  if (value === undefined || value === '') return NONE
  const found = new Map<string, string | true>()
  for (const [, name = '', quoted, token] of value.matchAll(DIRECTIVE)) {
    const key = name.toLowerCase()
    if (!found.has(key)) found.set(key, quoted ?? token ?? true)
  }
  return found
}

/** `Cache-Control`; where there is none, `Pragma: no-cache` means the same as its `no-cache`. */
export function directivesOf(headers: HeaderMap): Directives {
  const control = joined(headers['cache-control'])
  if (control !== undefined) return parseCacheControl(control)
  return /\bno-cache\b/i.test(joined(headers.pragma) ?? '') ? parseCacheControl('no-cache') : NONE
}

/**
 * The seconds of a directive; undefined where it is missing, 0 where it is no number, which makes an answer stale
 * (RFC 9111 section 4.2.1).
 */
export function seconds(directives: Directives, name: string): number | undefined {
  const value = directives.get(name)
  if (value === undefined) return undefined
  return typeof value === 'string' && /^\d+$/.test(value) ? Math.min(Number(value), MAX_SECONDS) : 0
}

/** 2^31, which stands for every larger number (RFC 9111 section 1.2.2). */
const MAX_SECONDS = 2_147_483_648

/** A field's lines as one. */
export function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}
