import type { Exchange } from '../proxy/exchange.ts'
import { toRegExp } from '../router/regex.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly origins: readonly string[] | null
  readonly headers: readonly string[] | null
  readonly exposed_headers: readonly string[] | null
  readonly methods: readonly string[]
  readonly max_age: number | null
  readonly credentials: boolean
  readonly private_network: boolean
  readonly preflight_continue: boolean
}

/** What the Access-Control-Allow-Origin of an answer is: anybody, the same one for all, or whoever matches. */
type AllowOrigin =
  | { readonly kind: 'any' }
  | { readonly kind: 'one'; readonly origin: string }
  | { readonly kind: 'listed'; readonly find: (origin: string) => string | undefined }

const ALLOW_ORIGIN = 'Access-Control-Allow-Origin'

export const cors = definePlugin<Config>({
  name: 'cors',
  priority: 2_000,
  start: () => ({
    configure(config) {
      const allowed = compileOrigins(config.origins ?? [])
      /** Their answers are complete, or left to the upstream. */
      const preflights = new WeakSet<Exchange>()
      return {
        access(exchange) {
          if (!isPreflight(exchange)) return
          preflights.add(exchange)
          if (!config.preflight_continue) answerPreflight(exchange, config, allowed)
        },
        headerFilter(exchange) {
          if (preflights.has(exchange)) return
          const { responseHeaders } = exchange
          const vary = () => responseHeaders.add('Vary', 'Origin')
          setOrigin(exchange, config, allowed, vary)
          if (config.exposed_headers?.length)
            responseHeaders.set('Access-Control-Expose-Headers', config.exposed_headers.join(','))
        },
      }
    },
  }),
})

const isPreflight = ({ method, headers }: Exchange): boolean =>
  method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')

function answerPreflight(exchange: Exchange, config: Config, allowed: AllowOrigin): void {
  const { headers, responseHeaders } = exchange
  setOrigin(exchange, config, allowed, () => responseHeaders.set('Vary', 'Origin'))
  const wanted = config.headers?.length
    ? config.headers.join(',')
    : headers.get('access-control-request-headers')
  if (wanted === undefined) responseHeaders.delete('Access-Control-Allow-Headers')
  else responseHeaders.set('Access-Control-Allow-Headers', wanted)
  responseHeaders.set('Access-Control-Allow-Methods', config.methods.join(','))
  if (config.max_age !== null) responseHeaders.set('Access-Control-Max-Age', String(config.max_age))
  if (config.private_network && headers.get('access-control-request-private-network') === 'true')
    responseHeaders.set('Access-Control-Allow-Private-Network', 'true')
  exchange.respond(200)
}

/** Says who may read the answer, and whether with credentials. */
function setOrigin(exchange: Exchange, config: Config, allowed: AllowOrigin, vary: () => void): void {
  const { headers, responseHeaders } = exchange
  const origin = headers.get('origin')
  if (allowed.kind !== 'any') vary()
  const value =
    allowed.kind === 'any'
      ? '*'
      : allowed.kind === 'one'
        ? allowed.origin
        : origin === undefined
          ? undefined
          : allowed.find(origin)
  if (value === undefined) responseHeaders.delete(ALLOW_ORIGIN)
  else responseHeaders.set(ALLOW_ORIGIN, value)
  if (!config.credentials) return
  // `*` does not go with credentials: the answer then names the origin that asks.
  if (value === '*') {
    if (origin === undefined) return
    vary()
    responseHeaders.set(ALLOW_ORIGIN, origin)
  }
  responseHeaders.set('Access-Control-Allow-Credentials', 'true')
}

const PLAIN = /^[A-Za-z0-9.:/-]+$/

function compileOrigins(origins: readonly string[]): AllowOrigin {
  const [only] = origins
  if (only === undefined || (origins.length === 1 && only === '*')) return { kind: 'any' }
  if (origins.length === 1 && PLAIN.test(only)) return { kind: 'one', origin: only }
  const tests = origins.map(compileOrigin)
  return {
    kind: 'listed',
    find(text) {
      const origin = normalizeOrigin(text)
      for (const [i, test] of tests.entries()) {
        if (origins[i] === '*') return '*'
        if (test(origin)) return origin.domain
      }
      return undefined
    },
  }
}

interface Origin {
  /** Scheme, host, and the port unless it is the scheme's own. */
  readonly domain: string
  readonly host: string
}

function compileOrigin(entry: string): (origin: Origin) => boolean {
  if (PLAIN.test(entry)) {
    const { domain } = normalizeOrigin(entry)
    return origin => origin.domain === domain
  }
  // Kong anchors expressions at both ends, and compares the host alone where none of them names a port or scheme.
  const pattern = toRegExp(`${entry.replace(/^\^/, '').replace(/\$$/, '')}$`)
  return entry.includes(':') ? ({ domain }) => pattern.test(domain) : ({ host }) => pattern.test(host)
}

function normalizeOrigin(text: string): Origin {
  const [, scheme, authority] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?\/\/([^/?#]*)/.exec(text) ?? []
  const [, host, port] = /^(?:[^@]*@)?(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(authority ?? '') ?? []
  if (!host) return { domain: text, host: text }
  const isUsual = (scheme === 'http' && port === '80') || (scheme === 'https' && port === '443')
  const shown = port === undefined || isUsual ? host : `${host}:${port}`
  return { domain: scheme === undefined ? shown : `${scheme}://${shown}`, host }
}
