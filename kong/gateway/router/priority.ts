import { createHash } from 'node:crypto'
import type { RouteFields } from './route.ts'

/** Expressions are tried before all other routes. */
const EXPRESSION = 0xffn << 56n
const PLAIN_HOSTS_ONLY = 1n << 60n
const REGEX_PATH = 1n << 51n
const MAX_HEADERS = 255
/** Namespace of the ids that Kong gives to the parts of a route with several kinds of paths. */
const SPLIT_NAMESPACE = Buffer.from('7f145bf90dce4f9198ebdebbce4b9f6b', 'hex')

export const isRegexPath = (path: string) => path.startsWith('~')

/** A route as Kong matches it: paths of one length, or regular expressions only. */
export interface RoutePart<R extends RouteFields> {
  readonly route: R
  readonly paths: readonly string[]
  /** Orders parts of equal priority. */
  readonly id: string
}

/** Splits a route by the length of its paths, as kong/router/transform.lua does, so that each part has one rank. */
export function splitRoute<R extends RouteFields>(route: R): RoutePart<R>[] {
  const paths = route.paths ?? []
  const groups = new Map<number, string[]>()
  for (const path of paths) {
    const size = isRegexPath(path) ? 0 : Buffer.byteLength(path)
    const group = groups.get(size)
    if (group) group.push(path)
    else groups.set(size, [path])
  }
  if (groups.size <= 1) return [{ route, paths, id: route.id }]
  return [...groups.values()].map((group, i) => ({
    route,
    paths: group,
    id: splitId(`${route.id}#${i + 1}`),
  }))
}

/** UUID version 5 (RFC 4122) in Kong's namespace. */
function splitId(name: string): string {
  const hash = createHash('sha1').update(SPLIT_NAMESPACE).update(name).digest().subarray(0, 16)
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/**
 * Kong's 64-bit rank of a route, the highest is tried first: number of kinds of criteria (3 bits), plain hosts
 * only (1), number of headers (8), regular expression (1), its priority (32), length of the path (19).
 */
export function priorityOf(part: RoutePart<RouteFields>): bigint {
  const { route, paths } = part
  if (route.expression != null) return EXPRESSION | BigInt(route.priority ?? 0)
  const headers = Object.keys(route.headers ?? {}).length
  const regex = paths.some(isRegexPath)
  const kinds = [route.sources, route.destinations, route.methods, route.hosts, route.snis, paths].filter(
    values => (values?.length ?? 0) > 0,
  ).length
  const plainHosts = route.hosts?.every(host => !host.includes('*')) ?? false
  const length = regex || paths.length === 0 ? 0 : Buffer.byteLength(paths[0]!)
  const rank =
    (BigInt(kinds + (headers > 0 ? 1 : 0)) << 61n) |
    (plainHosts ? PLAIN_HOSTS_ONLY : 0n) |
    (BigInt(Math.min(headers, MAX_HEADERS)) << 52n) |
    (regex ? REGEX_PATH : 0n) |
    (BigInt(regex ? (route.regex_priority ?? 0) : 0) << 19n) |
    BigInt(length & 0x7ffff)
  return BigInt.asUintN(64, rank)
}
