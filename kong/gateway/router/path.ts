/**
 * Paths as Kong's router sees them (kong/tools/uri.lua and kong/router/utils.lua of 3.9). All strings hold one
 * byte a character (latin1), as they stand on the wire.
 */

import { normalizePath } from '../../entities/paths.ts'

const UNSAFE = /[^!#$&'()*+,/:;=?@[\]A-Za-z\d\-_.~%]/g

/** The path of a request target, without its query, normalised as RFC 3986 asks and with slashes merged. */
export function routedPath(requestUri: string): string {
  const mark = requestUri.indexOf('?', 1)
  return normalizePath(mark < 0 ? requestUri : requestUri.slice(0, mark))
}

/** Makes a decoded path safe to stand in a request line, without touching what is reserved. */
export function escapePath(path: string): string {
  return path.replace(UNSAFE, char => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/**
 * The path that the upstream is asked for. `path_handling` is ignored: in the `traditional_compatible` flavour
 * Kong treats `v1` as `v0`, and only warns about it in the Admin API.
 *
 * @param base path of the service, `/` when it has none
 * @param prefix what the route's path matched, undefined when it is not to be stripped
 */
export function upstreamPath(path: string, base: string, prefix: string | undefined, strip: boolean): string {
  const open = base.endsWith('/')
  if (!strip) {
    if (open) return base + path.slice(1)
    return path === '/' ? base : base + path
  }
  const rest = withoutLeadingDots(path.slice((prefix ?? '/').length))
  if (rest !== '') return (open ? base.slice(0, -1) : base) + (rest.startsWith('/') ? rest : `/${rest}`)
  if (base === '/') return '/'
  if (open) return path.endsWith('/') ? base : base.slice(0, -1)
  return path.length > 1 && path.endsWith('/') ? `${base}/` : base
}

/** What follows a stripped prefix must not climb out of the service's path. */
function withoutLeadingDots(rest: string): string {
  if (rest === '.' || rest === '..') return ''
  if (rest.startsWith('./')) return rest.slice(2)
  return rest.startsWith('../') ? rest.slice(3) : rest
}
