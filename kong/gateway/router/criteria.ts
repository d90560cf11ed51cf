import { BlockList, isIPv6 } from 'node:net'
import type { RoutePart } from './priority.ts'
import { isRegexPath } from './priority.ts'
import { toRegExp, toSearchRegExp } from './regex.ts'
import type { Endpoint, RoutedRequest, RouteFields, RouteQuery } from './route.ts'

/** What a path criterion found: the matched text and the captures of a regular expression. */
export interface PathMatch {
  readonly text: string
  readonly captures: RegExpExecArray | undefined
}

type Test = (request: RoutedRequest) => boolean

/** Compiles everything but the paths of a route into tests, the cheapest first. */
export function compileTests(route: RouteFields): Test[] {
  const tests: Test[] = []
  if (route.methods?.length) {
    const methods = new Set(route.methods)
    tests.push(request => methods.has(request.asked.method))
  }
  if (route.hosts?.length) tests.push(anyOf(route.hosts.map(compileHost)))
  if (route.snis?.length) tests.push(compileServerNames(route.snis))
  for (const [name, values] of Object.entries(route.headers ?? {})) tests.push(compileHeader(name, values))
  if (route.sources?.length)
    tests.push(
      compileEndpoints(
        route.sources,
        q => q.clientIp,
        q => q.clientPort,
      ),
    )
  if (route.destinations?.length)
    tests.push(
      compileEndpoints(
        route.destinations,
        q => q.serverIp,
        q => q.serverPort,
      ),
    )
  return tests
}

const anyOf = (tests: readonly Test[]): Test =>
  tests.length === 1 ? tests[0]! : request => tests.some(test => test(request))

/** `host`, `*.host`, `host.*`, each with an optional `:port`; Kong compares the bytes, so case matters. */
function compileHost(pattern: string): Test {
  const { host, port } = splitHostPort(pattern)
  let matches: (name: string) => boolean
  if (host.startsWith('*')) {
    const end = host.slice(1)
    matches = name => name.endsWith(end)
  } else if (host.endsWith('*')) {
    const start = host.slice(0, -1)
    matches = name => name.startsWith(start)
  } else matches = name => name === host
  return port === undefined
    ? request => matches(request.host)
    : request => matches(request.host) && (request.hostPort ?? request.asked.serverPort) === port
}

/** Also holds for requests without TLS, which are told to use TLS. `*` may stand at either end. */
function compileServerNames(names: readonly string[]): Test {
  const tests = names.map(given => {
    const name = given.length > 1 ? given.replace(/\.$/, '') : given
    if (name.startsWith('*')) return (sni: string) => sni.endsWith(name.slice(1))
    if (name.endsWith('*')) return (sni: string) => sni.startsWith(name.slice(0, -1))
    return (sni: string) => sni === name
  })
  return ({ asked: { scheme, serverName } }) =>
    scheme !== 'https' || (serverName !== undefined && tests.some(test => test(serverName)))
}

/** Splits `host:port`; anything that is not a number behind the first colon leaves the text whole. */
export function splitHostPort(text: string): { host: string; port: number | undefined } {
  const colon = text.indexOf(':')
  const digits = colon < 0 ? '' : text.slice(colon + 1)
  return /^\d+$/.test(digits)
    ? { host: text.slice(0, colon), port: Number(digits) }
    : { host: text, port: undefined }
}

/** Values are compared in lower case; `~*` starts a regular expression. */
function compileHeader(name: string, values: readonly string[]): Test {
  const key = name.toLowerCase()
  const plain = new Set(values.filter(v => !v.startsWith('~*')).map(v => v.toLowerCase()))
  const patterns = values.filter(v => v.startsWith('~*')).map(v => toSearchRegExp(v.slice(2).toLowerCase()))
  const fits = (value: string) => {
    const lower = value.toLowerCase()
    return plain.has(lower) || patterns.some(pattern => pattern.test(lower))
  }
  return request => {
    const value = request.asked.header(key)
    if (value === undefined) return false
    return typeof value === 'string' ? fits(value) : value.some(fits)
  }
}

function compileEndpoints(
  endpoints: readonly Endpoint[],
  ipOf: (query: RouteQuery) => string,
  portOf: (query: RouteQuery) => number,
): Test {
  return anyOf(
    endpoints.map(({ ip, port }) => {
      const network = ip ? compileNetwork(ip) : undefined
      return ({ asked }) => {
        if (port != null && portOf(asked) !== port) return false
        const address = ipOf(asked)
        return !network || network.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
      }
    }),
  )
}

function compileNetwork(ip: string): BlockList {
  const [address, bits] = ip.split('/') as [string, string | undefined]
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
  return list
}

/** The first path of the part that matches; undefined when none does. A part without paths matches every path. */
export function compilePaths(part: RoutePart<RouteFields>): (path: string) => PathMatch | undefined {
  if (part.paths.length === 0) return () => ANY_PATH
  const matchers = part.paths.map(path => (isRegexPath(path) ? compileRegex(path) : compilePrefix(path)))
  if (matchers.length === 1) return matchers[0]!
  return path => {
    for (const match of matchers) {
      const found = match(path)
      if (found) return found
    }
    return undefined
  }
}

const ANY_PATH: PathMatch = { text: '', captures: undefined }

function compilePrefix(prefix: string) {
  const bytes = Buffer.from(prefix, 'utf8').toString('latin1')
  const found: PathMatch = { text: bytes, captures: undefined }
  return (path: string) => (path.startsWith(bytes) ? found : undefined)
}

/** Anchored at the start, as in Kong. @throws SyntaxError for what only Kong's engine knows */
function compileRegex(path: string) {
  const pattern = toRegExp(path.slice(1))
  return (text: string): PathMatch | undefined => {
    const found = pattern.exec(text)
    return found ? { text: found[0], captures: found.length > 1 ? found : undefined } : undefined
  }
}
