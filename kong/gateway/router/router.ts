import { isUtf8 } from 'node:buffer'
import { compilePaths, compileTests, type PathMatch, splitHostPort } from './criteria.ts'
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

const STREAM_PROTOCOLS = new Set(['tcp', 'udp', 'tls', 'tls_passthrough'])

interface Matcher<R> {
  readonly route: R
  readonly priority: bigint
  readonly id: string
  readonly tests: readonly ((request: RoutedRequest) => boolean)[]
  readonly matchPath: (path: string) => PathMatch | undefined
}

/** Told of a route that can't be matched, as Kong writes it to its log; the others are served. */
export type OnRouteFault = (route: RouteFields, error: unknown) => void

/**
 * Kong's router in its `traditional_compatible` flavour: routes are tried by rank, then by id from high to low.
 * A route's protocols do not take part; the proxy answers 426 when they do not fit.
 */
export function createRouter<R extends RouteFields>(
  routes: readonly R[],
  onFault: OnRouteFault = () => {},
): Router<R> {
  const matchers: Matcher<R>[] = routes
    .filter(route => !STREAM_PROTOCOLS.has(route.protocols?.[0] ?? 'http'))
    .flatMap(splitRoute)
    .flatMap(part => compile(part, onFault))
    .sort(byRank)

  return {
    match(query) {
      const { host, port } = splitHostPort(query.hostHeader)
      const path = routedPath(query.requestUri)
      // Kong's engine takes UTF-8 only.
      if (!isUtf8Path(path)) return undefined
      const request: RoutedRequest = { query, host, hostPort: port, path }
      for (const matcher of matchers) {
        const found = matcher.matchPath(path)
        if (found && matcher.tests.every(test => test(request))) return describe(matcher.route, path, found)
      }
      return undefined
    },
  }
}

function compile<R extends RouteFields>(part: RoutePart<R>, onFault: OnRouteFault): Matcher<R>[] {
  const { route, id } = part
  try {
    return [
      { route, id, priority: priorityOf(part), tests: compileTests(route), matchPath: compilePaths(part) },
    ]
  } catch (error) {
    onFault(route, error)
    return []
  }
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
