import { isUtf8 } from 'node:buffer'
import { compilePaths, compileTests, type PathMatch, splitHostPort } from './criteria.ts'
import { compileExpression } from './expression.ts'
import { routedPath, upstreamPath } from './path.ts'
import { priorityOf, type RoutePart, splitRoute } from './priority.ts'
import type { RoutedRequest, RouteFields, RouteQuery } from './route.ts'

/** Captures of a regular expression path: `0` is the whole match. */
export interface UriCaptures {
  readonly unnamed: readonly string[]
  readonly named: Readonly<Record<string, string>>
}

export interface RouteMatch<R extends RouteFields> {
  readonly route: R
  /** What was stripped from the path; undefined when nothing is to be stripped. */
  readonly prefix: string | undefined
  readonly captures: UriCaptures | undefined
  /** The normalised path that was matched. */
  readonly path: string
  /** The path for the upstream, decoded; {@link escapePath} makes it fit for a request line. */
  upstreamPath(base: string): string
}

export interface Router<R extends RouteFields> {
  match(query: RouteQuery): RouteMatch<R> | undefined
}

/** Kong's `router_flavor`. */
export type RouterFlavor = 'traditional_compatible' | 'expressions'

export interface RouterOptions {
  readonly flavor?: RouterFlavor
  /** Called for a route that can't be matched, which Kong writes to its log; the others are served. */
  readonly onFault?: OnRouteFault
}

const STREAM_PROTOCOLS = new Set(['tcp', 'udp', 'tls', 'tls_passthrough'])

interface Matcher<R> {
  readonly route: R
  readonly priority: bigint
  readonly id: string
  readonly match: (request: RoutedRequest) => PathMatch | undefined
}

export type OnRouteFault = (route: RouteFields, error: unknown) => void

/**
 * Kong's router: routes are tried by rank, then by id from high to low. In the flavor `traditional_compatible` a
 * route's protocols do not take part; the proxy answers 426 when they do not fit.
 */
export function createRouter<R extends RouteFields>(
  routes: readonly R[],
  { flavor = 'traditional_compatible', onFault = () => {} }: RouterOptions = {},
): Router<R> {
  const matchers: Matcher<R>[] = routes
    .filter(route => !STREAM_PROTOCOLS.has(route.protocols?.[0] ?? 'http'))
    .flatMap(splitRoute)
    .flatMap(part => compile(part, flavor, onFault))
    .sort(byRank)

  return {
    match(asked) {
      const { host, port } = splitHostPort(asked.hostHeader)
      const path = routedPath(asked.requestUri)
      // Kong's engine takes UTF-8 only.
      if (!isUtf8Path(path)) return undefined
      const request: RoutedRequest = { asked, host, hostPort: port, path }
      for (const matcher of matchers) {
        const found = matcher.match(request)
        if (found) return describe(matcher.route, path, found)
      }
      return undefined
    },
  }
}

function compile<R extends RouteFields>(
  part: RoutePart<R>,
  flavor: RouterFlavor,
  onFault: OnRouteFault,
): Matcher<R>[] {
  const { route, id } = part
  try {
    const match = route.expression == null ? compileCriteria(part) : compileExpression(route.expression)
    const fits = flavor === 'expressions' ? protocolTest(route.protocols ?? []) : undefined
    return [
      {
        ...{ route, id, priority: priorityOf(part) },
        match: fits ? request => (fits(request) ? match(request) : undefined) : match,
      },
    ]
  } catch (error) {
    onFault(route, error)
    return []
  }
}

/** The path is compared first, since it rules out most routes. */
function compileCriteria(part: RoutePart<RouteFields>): Matcher<unknown>['match'] {
  const tests = compileTests(part.route)
  const matchPath = compilePaths(part)
  return request => {
    const found = matchPath(request.path)
    return found && tests.every(test => test(request)) ? found : undefined
  }
}

/**
 * In the flavor `expressions` a request must have one of the protocols; a route for HTTPS alone takes plain HTTP too,
 * to redirect it.
 */
function protocolTest(protocols: readonly string[]): ((request: RoutedRequest) => boolean) | undefined {
  if (protocols.length === 0 || (protocols.length === 1 && protocols[0] === 'https')) return undefined
  const schemes = new Set(protocols.map(protocol => protocol.replace('grpc', 'http')))
  return ({ asked }) => schemes.has(asked.scheme)
}

const ASCII = /^[\0-\x7f]*$/
const isUtf8Path = (path: string) => ASCII.test(path) || isUtf8(Buffer.from(path, 'latin1'))

function byRank(a: Matcher<unknown>, b: Matcher<unknown>): number {
  if (a.priority !== b.priority) return a.priority > b.priority ? -1 : 1
  return a.id > b.id ? -1 : a.id < b.id ? 1 : 0
}

function describe<R extends RouteFields>(route: R, path: string, found: PathMatch): RouteMatch<R> {
  const strip = route.strip_path ?? true
  const prefix = strip && found.text !== '' ? found.text : undefined
  return {
    route,
    prefix,
    captures: found.captures && capturesOf(found.captures),
    path,
    upstreamPath: base => upstreamPath(path, base, prefix, strip),
  }
}

function capturesOf(found: RegExpExecArray): UriCaptures {
  return { unnamed: [...found].map(text => text ?? ''), named: { ...found.groups } }
}
