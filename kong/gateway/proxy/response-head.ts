import type { BufferedResponse, Exchange } from './exchange.ts'
import { HeaderMap } from './header-map.ts'
import { connectionHeaders } from './request-head.ts'

const NOT_PASSED = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'trailer',
  // orders to nginx
  'x-accel-redirect',
  'x-accel-limit-rate',
  'x-accel-buffering',
  'x-accel-charset',
  'x-accel-expires',
])

/** Types to which nginx adds its charset when they name none (`charset UTF-8` in Kong's settings). */
const TEXT_TYPES = new Set([
  'text/html',
  'text/xml',
  'text/plain',
  'text/vnd.wap.wml',
  'application/javascript',
  'application/rss+xml',
])

/** nginx holds these once: of several lines the first counts, and the upstream's before a plugin's. */
const SINGLE = new Set([
  'content-type',
  'content-length',
  'server',
  'date',
  'location',
  'etag',
  'last-modified',
])

/** Merges the upstream's headers into those that plugins had set before. */
export function takeUpstreamHead(exchange: Exchange, status: number, upstream: HeaderMap): void {
  const { responseHeaders } = exchange
  const dropped = connectionHeaders(upstream.joined('connection'))
  exchange.status = status
  for (const name of SINGLE) if (upstream.has(name)) responseHeaders.delete(name)
  upstream.each((lower, name, value) => {
    if (NOT_PASSED.has(lower) || dropped?.has(lower)) return
    if (!SINGLE.has(lower) || !responseHeaders.has(lower)) responseHeaders.addRaw(name, value)
  })
  if (status === 204) responseHeaders.delete('content-length')
}

/** Puts the fields of a response that was held back in the place of those that plugins had set before. */
export function replaceUpstreamHead(exchange: Exchange, { status, headers }: BufferedResponse): void {
  headers.each(lower => exchange.responseHeaders.delete(lower))
  takeUpstreamHead(exchange, status, headers)
}

/** Adds what Kong adds to every response. */
export function finishHead(exchange: Exchange): void {
  const { responseHeaders: headers, node, proxied } = exchange
  const kong = `kong/${node.version}`
  if (proxied) {
    headers.set('X-Kong-Upstream-Latency', String(exchange.waitingMs ?? 0))
    headers.set('X-Kong-Proxy-Latency', String(exchange.proxyLatencyMs ?? 0))
    const via = headers.joined('via')
    headers.set('Via', via === undefined ? `1.1 ${kong}` : `${via}, 1.1 ${kong}`)
    if (!headers.has('server')) headers.set('Server', kong)
  } else {
    headers.set('X-Kong-Response-Latency', String(exchange.responseLatencyMs ?? 0))
    headers.set('Server', kong)
  }
  headers.set('X-Kong-Request-Id', exchange.id)
  const type = headers.get('content-type')
  if (type && TEXT_TYPES.has(type.toLowerCase())) headers.set('Content-Type', `${type}; charset=UTF-8`)
}

/**
 * The head for Node.js, names and values by turns. The length comes last: behind it Node.js (20) takes the bytes of
 * `Content-Disposition` for UTF-8, and refuses a name in Latin-1.
 */
export function rawHead(headers: HeaderMap): string[] {
  const raw: string[] = []
  const length: string[] = []
  headers.each((lower, name, value) => (lower === 'content-length' ? length : raw).push(name, value))
  return [...raw, ...length]
}

/** From undici's list of buffers. */
export function readRawHead(raw: readonly Buffer[]): HeaderMap {
  const headers = new HeaderMap()
  for (let i = 0; i + 1 < raw.length; i += 2)
    headers.addRaw(raw[i]?.toString('latin1') ?? '', raw[i + 1]?.toString('latin1') ?? '')
  return headers
}
