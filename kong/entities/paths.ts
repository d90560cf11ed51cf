import { pcreComplaint } from './regex.ts'

/** Paths of services and routes, with Kong's checks and messages. */

export function checkUriPath(value: string): string | undefined {
  return badCharacters(value) ?? badEscape(value)
}

const badCharacters = (value: string): string | undefined =>
  /^\/[\w.~/%:@!$&'()*+,;=-]*$/.test(value)
    ? undefined
    : `invalid path: '${value}' (characters outside of the reserved list of RFC 3986 found)`

function badEscape(value: string): string | undefined {
  const rest = value.replace(/%[0-9a-f]{2}/gi, '___')
  const at = /%.?.?/.exec(rest)
  return at ? `invalid url-encoded value: '${at[0]}'` : undefined
}

/** A fixed path must be in its normal form; one that starts with `~` must be a regular expression. */
export function checkRouterPath(value: string): string | undefined {
  const wrongEscape = badCharacters(value) === undefined ? badEscape(value) : undefined
  if (wrongEscape) return wrongEscape
  if (value.startsWith('~')) return pcreComplaint(value.slice(1))
  const normal = normalizeText(value)
  return value === normal ? undefined : `non-normalized path, consider use '${normal}' instead`
}

/** Characters whose escape means something else than they do (RFC 3986, 2.2). */
const RESERVED = new Set("!*'();:@&=+$,/?%#[]")

/** The normal form of a path in Unicode, as configuration holds it. */
export const normalizeText = (path: string): string =>
  Buffer.from(normalizePath(Buffer.from(path).toString('latin1')), 'latin1').toString()

/**
 * RFC 3986, 6.2.2, as kong/tools/uri.lua of 3.9 does it: no escape but of reserved characters, in capitals; no dot
 * segments; empty segments are merged.
 *
 * @param path one byte a character (latin1), as it stands on the wire
 */
export function normalizePath(uri: string): string {
  let path = uri
  if (path.includes('%')) path = path.replace(/%([\dA-Fa-f]{2})/g, decodeUnreserved)
  return path.includes('.') || path.includes('//') ? removeDotSegments(path) : path
}

function decodeUnreserved(triplet: string, hex: string): string {
  const char = String.fromCharCode(Number.parseInt(hex, 16))
  return RESERVED.has(char) ? triplet.toUpperCase() : char
}

function removeDotSegments(path: string): string {
  const rooted = path.startsWith('/')
  const segments = path.split('/').filter(segment => segment !== '')
  const kept: string[] = []
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  const open = kept.length > 0 && (path.endsWith('/') || last === '.' || last === '..')
  return `${rooted ? '/' : ''}${kept.join('/')}${open ? '/' : ''}`
}
