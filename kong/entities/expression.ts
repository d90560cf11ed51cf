import { rustFault } from './regex.ts'

/**
 * Kong turns a route into an expression of its router and refuses the route when the router does not take it. The
 * refusal shows the expression, so the expression is built here as Kong builds it (kong/router/transform.lua).
 */

interface RouteFields {
  readonly protocols?: readonly string[] | null
  readonly snis?: readonly string[] | null
  readonly methods?: readonly string[] | null
  readonly hosts?: readonly string[] | null
  readonly paths?: readonly string[] | null
  readonly headers?: Readonly<Record<string, readonly string[]>> | null
}

const quoted = (text: string): string => `r#"${text}"#`

/** One wrong spot of the expression. */
export interface Spot {
  readonly at: number
  /** How many signs of the expression it covers. */
  readonly length: number
  readonly reason: string
}

/** Why the router would refuse a route, or nothing. */
export function checkRouteExpression(route: RouteFields): string | undefined {
  const expression = expressionOf(route)
  const spot = emptyGroup(expression) ?? wrongRegex(expression)
  if (!spot) return undefined
  return `Router Expression failed validation: ${shownSpot(expression, spot)}`
}

/** A wrong spot as Kong's router shows it. */
export function shownSpot(expression: string, spot: Spot): string {
  const marker = spot.length <= 1 ? '^---' : `^${'-'.repeat(spot.length - 2)}^`
  return ` --> 1:${spot.at + 1}\n  |\n1 | ${expression}\n  | ${' '.repeat(spot.at)}${marker}\n  |\n  = ${spot.reason}`
}

function emptyGroup(expression: string): Spot | undefined {
  const at = /(?:^|&& )\(\)/.exec(expression)
  return at ? { at: at.index + at[0].length - 1, length: 1, reason: 'expected term' } : undefined
}

function wrongRegex(expression: string): Spot | undefined {
  for (const match of expression.matchAll(/ ~ (r#"(.*?)"#)/g)) {
    const fault = rustFault(match[2]!)
    if (!fault) continue
    const marker = ' '.repeat(4 + fault.at) + '^'.repeat(fault.length)
    return {
      at: match.index + 3,
      length: match[1]!.length,
      reason: `regex parse error:\n    ${match[2]}\n${marker}\nerror: ${fault.reason}`,
    }
  }
  return undefined
}

/** The conditions in the order of Kong's router: names of servers, methods, hosts, paths, headers. */
function expressionOf({ methods, snis, hosts, paths, headers, protocols }: RouteFields): string {
  const parts: string[] = []
  const any = (terms: readonly string[]) => `(${terms.join(' || ')})`
  if (snis?.length) parts.push(serverNames(snis, protocols ?? []))
  if (methods?.length) parts.push(any(methods.map(method => `http.method == ${quoted(method)}`)))
  if (hosts?.length) parts.push(any(hosts.map(hostTerm)))
  if (paths?.length) parts.push(any(paths.map(pathTerm)))
  for (const [name, values] of Object.entries(headers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
    parts.push(any(values.map(value => headerTerm(name, value))))
  return parts.join(' && ')
}

function serverNames(snis: readonly string[], protocols: readonly string[]): string {
  const terms = snis.map(sni => wildcardTerm('tls.sni', sni.replace(/\.$/, '')))
  const secure = protocols.some(protocol => ['https', 'grpcs'].includes(protocol))
  return secure
    ? `(net.protocol != ${quoted('https')} || (${terms.join(' || ')}))`
    : `(${terms.join(' || ')})`
}

function wildcardTerm(field: string, text: string): string {
  if (text.startsWith('*')) return `${field} =^ ${quoted(text.slice(1))}`
  if (text.endsWith('*')) return `${field} ^= ${quoted(text.slice(0, -1))}`
  return `${field} == ${quoted(text)}`
}

function hostTerm(host: string): string {
  const match = /^(.*):(\d+)$/.exec(host)
  const term = wildcardTerm('http.host', match?.[1] ?? host)
  return match ? `(${term} && net.dst.port == ${match[2]})` : term
}

function pathTerm(path: string): string {
  if (!path.startsWith('~')) return `http.path ^= ${quoted(path)}`
  // Rust names groups in the older way; a look-behind becomes a group with a bad name.
  return `http.path ~ ${quoted(`^${path.slice(1).replaceAll('?<', '?P<')}`)}`
}

function headerTerm(name: string, value: string): string {
  const field = `any(lower(http.headers.${name.toLowerCase().replaceAll('-', '_')}))`
  return value.startsWith('~*')
    ? `${field} ~ ${quoted(value.slice(2).toLowerCase())}`
    : `${field} == ${quoted(value.toLowerCase())}`
}
