import { createHash } from 'node:crypto'
import type { Exchange } from '../proxy/exchange.ts'
import type { HeaderValue } from '../proxy/header-map.ts'
import { definePlugin } from './builtin.ts'
import { cacheApi } from './proxy-cache-api.ts'
import { ResponseStore } from './response-store.ts'

interface Config {
  readonly response_code: readonly number[]
  readonly request_method: readonly string[]
  readonly content_type: readonly string[]
  /** Seconds. */
  readonly cache_ttl: number
  readonly cache_control: boolean
  readonly storage_ttl: number | null
  readonly ignore_uri_case: boolean
  readonly vary_query_params: readonly string[] | null
  readonly vary_headers: readonly string[] | null
  /** Which of its own fields an answer shows. */
  readonly response_headers: Readonly<Record<'age' | 'X-Cache-Status' | 'X-Cache-Key', boolean>>
}

type Directives = ReadonlyMap<string, string | number | true>

export const proxyCache = definePlugin<Config>({
  name: 'proxy-cache',
  priority: 100,
  start({ now, state }) {
    const store = new ResponseStore(now)
    return {
      configure(config) {
        const cache = new ProxyCache(config, store, now)
        return {
          access: exchange => cache.access(exchange),
          headerFilter: exchange => cache.headerFilter(exchange),
        }
      },
      api: cacheApi(store, id => state.get('plugins', id) !== undefined),
    }
  },
})

/** Fields of a connection, and those that count a client's requests. */
const NOT_STORED = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailers'],
  ...['transfer-encoding', 'upgrade', 'content-length', 'age', 'x-cache-status', 'x-cache-key'],
])

class ProxyCache {
  readonly #config: Config
  readonly #store: ResponseStore
  readonly #now: () => number
  /** The keys of requests whose answers may be stored. */
  readonly #keys = new WeakMap<Exchange, string>()

  constructor(config: Config, store: ResponseStore, now: () => number) {
    this.#config = config
    this.#store = store
    this.#now = now
  }

  access(exchange: Exchange): void {
    const { cache_control, request_method } = this.#config
    const directives = readDirectives(exchange.headers.get('cache-control'))
    const isRefused = cache_control && (directives.has('no-store') || directives.has('no-cache'))
    if (!request_method.includes(exchange.method) || isRefused) {
      this.#show(exchange, 'X-Cache-Status', 'Bypass')
      return
    }
    const key = cacheKey(exchange, this.#config)
    this.#show(exchange, 'X-Cache-Key', key)
    const stored = this.#store.get(key)
    if (!stored && cache_control && directives.has('only-if-cached')) exchange.respond(504)
    else if (!stored || this.#isStale(stored, directives)) {
      this.#keys.set(exchange, key)
      this.#show(exchange, 'X-Cache-Status', stored ? 'Refresh' : 'Miss')
    } else {
      const ageSeconds = Math.floor((this.#now() - stored.storedAtMs) / 1_000)
      exchange.shared.set('proxy_cache_hit', true)
      // Kong counts a hit as proxied.
      exchange.proxied = true
      for (const [name, value] of Object.entries(stored.headers)) exchange.responseHeaders.set(name, value)
      this.#show(exchange, 'age', String(ageSeconds))
      this.#show(exchange, 'X-Cache-Status', 'Hit')
      exchange.respond(stored.status, stored.body)
    }
  }

  headerFilter(exchange: Exchange): void {
    const key = this.#keys.get(exchange)
    if (key === undefined) return
    const ttlSeconds = this.#ttlOf(exchange)
    if (ttlSeconds === undefined) {
      this.#show(exchange, 'X-Cache-Status', 'Bypass')
      return
    }
    const { status } = exchange
    const headers: Record<string, HeaderValue> = {}
    for (const [name, value] of Object.entries(exchange.responseHeaders.toRecord(1_000)))
      if (!NOT_STORED.has(name) && !name.includes('ratelimit-remaining')) headers[name] = value
    const { storage_ttl } = this.#config
    exchange.bodyFilters.push(body => {
      this.#store.set(key, {
        ...{ status, headers, body, ttlSeconds, storedAtMs: this.#now() },
        keptSeconds: storage_ttl ?? ttlSeconds,
      })
      return body
    })
  }

  #isStale({ storedAtMs, ttlSeconds }: { storedAtMs: number; ttlSeconds: number }, asked: Directives) {
    const ageSeconds = Math.floor(this.#now() / 1_000) - Math.floor(storedAtMs / 1_000)
    const { cache_control, cache_ttl } = this.#config
    if (!cache_control) return ageSeconds > cache_ttl
    const limit = (name: string) => {
      const value = asked.get(name)
      return typeof value === 'number' ? value : undefined
    }
    const [maxAge, maxStale, minFresh] = [limit('max-age'), limit('max-stale'), limit('min-fresh')]
    return (
      (maxAge !== undefined && ageSeconds > maxAge) ||
      (maxStale !== undefined && ageSeconds - ttlSeconds > maxStale) ||
      (minFresh !== undefined && ttlSeconds - ageSeconds < minFresh)
    )
  }

  /** Seconds for which the answer is fresh; undefined when it is not to be stored. */
  #ttlOf({ status, responseHeaders }: Exchange): number | undefined {
    const { response_code, content_type, cache_control, cache_ttl } = this.#config
    const type = responseHeaders.value('content-type')
    if (!response_code.includes(status) || typeof type !== 'string') return undefined
    if (!content_type.some(expected => isOfType(type, expected))) return undefined
    if (!cache_control) return cache_ttl
    const directives = readDirectives(responseHeaders.joined('cache-control'))
    if (['private', 'no-store', 'no-cache'].some(name => directives.has(name))) return undefined
    const given = directives.get('s-maxage') ?? directives.get('max-age')
    const expiresMs = Date.parse(responseHeaders.get('expires') ?? '')
    const ttl = typeof given === 'number' ? given : Math.floor((expiresMs - this.#now()) / 1_000)
    return ttl > 0 ? ttl : undefined
  }

  #show(exchange: Exchange, header: keyof Config['response_headers'], value: string): void {
    if (this.#config.response_headers[header] || exchange.headers.has('kong-debug'))
      exchange.responseHeaders.set(header, value)
  }
}

/** Tells requests apart by consumer, route, method, path, and the arguments and headers that count. */
function cacheKey(exchange: Exchange, config: Config): string {
  const { consumer, route, method, query, headers, requestMethod } = exchange
  const scope = consumer && route ? `${consumer.id}:${route.id}` : (route?.id ?? 'default')
  const path = exchange.requestUri.replace(/\?.*/, '')
  const line = `${requestMethod} ${path} HTTP/${exchange.httpVersion.toFixed(1)}`
  const names = config.vary_query_params?.length ? config.vary_query_params : Object.keys(query).sort()
  const varied = partsOf(name => query[name], names)
  const fields = partsOf(name => headers.value(name), config.vary_headers ?? [])
  const target = config.ignore_uri_case ? line.toLowerCase() : line
  return createHash('sha256').update(`${scope}|${method}|${target}|${varied}|${fields}`).digest('hex')
}

function partsOf(value: (name: string) => unknown, names: readonly string[]): string {
  const parts = names.flatMap(name => {
    const found = value(name)
    if (found === undefined) return []
    if (found === true) return [name]
    return [`${name}=${Array.isArray(found) ? found.map(String).sort().join(',') : String(found)}`]
  })
  return parts.join(':')
}

/** Numbers where a value looks like one, true where there is none. */
function readDirectives(header: string | undefined): Directives {
  const directives = new Map<string, string | number | true>()
  for (const part of header?.split(',') ?? []) {
    const [, name, value] = /^\s*([^=]+)(?:=(.+))?/.exec(part) ?? []
    if (name === undefined) continue
    const number = Number(value)
    const shown = value === undefined ? true : Number.isNaN(number) ? value : number
    directives.set(name.toLowerCase().trimEnd(), shown)
  }
  return directives
}

/** Type and subtype must be those expected, or `*`, and the parameters the same. */
function isOfType(type: string, expected: string): boolean {
  const [given, wanted] = [readType(type), readType(expected)]
  const parts = [0, 1].every(i => wanted.names[i] === '*' || wanted.names[i] === given.names[i])
  return parts && given.parameters === wanted.parameters
}

function readType(text: string): { readonly names: readonly string[]; readonly parameters: string } {
  const [name = '', ...parameters] = text
    .toLowerCase()
    .split(';')
    .map(part => part.trim())
  return { names: name.split('/'), parameters: parameters.sort().join(';') }
}
