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
  const normal = normalizePath(value)
  return value === normal ? undefined : `non-normalized path, consider use '${normal}' instead`
}

/** Characters whose escape means something else than they do (RFC 3986, 2.2). */
const RESERVED = /[!*'();:@&=+$,/?%#[\]]/

/** RFC 3986, 6.2.2: no escape but of reserved characters, in capitals; no dot segments; empty segments are merged. */
export function normalizePath(path: string): string {
  const unescaped = path.replace(/(?:%[0-9a-f]{2})+/gi, octets => {
    const bytes = octets.replace(/%([0-9a-f]{2})/gi, (octet, hex: string) => {
      const char = String.fromCharCode(Number.parseInt(hex, 16))
      return RESERVED.test(char) ? octet.toUpperCase() : char
    })
    return Buffer.from(bytes, 'latin1').toString()
  })
  const out: string[] = []
  const segments = unescaped.split('/').slice(1)
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1
    if (segment === '..') out.pop()
    else if (segment !== '.' && (segment !== '' || last)) out.push(segment)
    if (last && (segment === '.' || segment === '..')) out.push('')
  })
  return `/${out.join('/')}`
}
