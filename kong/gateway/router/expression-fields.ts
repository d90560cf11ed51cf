import type { RoutedRequest, RouteQuery } from './route.ts'

export type FieldType = 'String' | 'Int' | 'IpAddr'
export type Value = string | number

/** A field of a request that expressions may name; several values of one name are a list. */
export interface Field {
  readonly type: FieldType
  read(request: RoutedRequest): Value | readonly Value[] | undefined
}

const text = (read: Field['read']): Field => ({ type: 'String', read })
const integer = (read: Field['read']): Field => ({ type: 'Int', read })
const address = (read: Field['read']): Field => ({ type: 'IpAddr', read })

const FIELDS: Readonly<Record<string, Field>> = {
  'net.protocol': text(({ asked }) => asked.scheme),
  'tls.sni': text(({ asked }) => asked.serverName),
  'http.method': text(({ asked }) => asked.method),
  'http.host': text(({ host }) => host),
  'http.path': text(({ path }) => path),
  'http.path.segments.len': integer(request => segmentsOf(request).length),
  'net.src.ip': address(({ asked }) => asked.clientIp),
  'net.src.port': integer(({ asked }) => asked.clientPort),
  'net.dst.ip': address(({ asked }) => asked.serverIp),
  'net.dst.port': integer(({ asked, hostPort }) => hostPort ?? asked.serverPort),
}

/** Undefined for a field that Kong's router does not know. */
export function findField(name: string): Field | undefined {
  const known = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined
  if (known) return known
  const rest = (prefix: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined)
  const header = rest('http.headers.')
  if (header) return text(({ asked }) => headerOf(asked, header))
  const argument = rest('http.queries.')
  if (argument) return text(({ asked }) => argumentOf(asked, argument))
  const range = rest('http.path.segments.')
  return range ? text(request => segmentRange(segmentsOf(request), range)) : undefined
}

/** Names of fields have no dashes: underscores stand for them. */
const headerOf = (asked: RouteQuery, name: string) =>
  asked.header(name) ?? asked.header(name.replaceAll('_', '-').toLowerCase())

/** An argument without `=` is empty. */
function argumentOf(asked: RouteQuery, name: string): Value | readonly Value[] | undefined {
  const value = asked.query[name]
  const bytes = (one: unknown) => (one === true ? '' : Buffer.from(String(one), 'utf8').toString('latin1'))
  if (value === undefined) return undefined
  return Array.isArray(value) ? value.map(bytes) : bytes(value)
}

/** A slash at the end begins no segment. */
const segmentsOf = ({ path }: RoutedRequest): readonly string[] =>
  path.replace(/\/+$/, '').slice(1).split('/')

/** `1` is the second segment, `1_2` the second and the third. */
function segmentRange(segments: readonly string[], range: string): string | undefined {
  const [first = Number.NaN, last] = range.split('_').map(Number)
  if (last === undefined) return segments[first]
  if (!(first < last) || last >= segments.length) return undefined
  return segments.slice(first, last + 1).join('/')
}
