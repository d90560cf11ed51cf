import type { Peer } from './balancer.ts'
import type { Destination, Exchange } from './exchange.ts'

/** Headers of a connection, or those that Kong writes anew. */
const NOT_PASSED = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy',
  'proxy-connection',
  'expect',
  'upgrade',
  'te',
  'transfer-encoding',
  'content-length',
  'via',
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-path',
  'x-forwarded-prefix',
  'x-kong-request-id',
])

const PLAIN_CONNECTION = new Set(['keep-alive', 'close', 'upgrade'])

/** The Host header for a peer: with its port unless it is the usual one. */
export function hostFor(destination: Destination, peer: Peer): string {
  if (destination.hostHeader !== undefined) return destination.hostHeader
  const usual = destination.scheme === 'https' ? 443 : 80
  const host = peer.hostname.includes(':') ? `[${peer.hostname}]` : peer.hostname
  return peer.port === usual ? host : `${host}:${peer.port}`
}

/** What the upstream is sent, names and values by turns. The Host header stands first. */
export function requestHead(exchange: Exchange, host: string): string[] {
  const { headers, node } = exchange
  const dropped = connectionHeaders(headers.joined('connection'))
  const head = ['Host', host]
  headers.each((lower, name, value) => {
    if (!NOT_PASSED.has(lower) && !dropped?.has(lower)) head.push(name, value)
  })
  const te = headers.joined('te')
  if (te?.split(',').some(token => token.trim() === 'trailers')) head.push('TE', 'trailers')
  // Kong reads the first of several.
  const before = headers.get('x-forwarded-for')
  const via = headers.get('via')
  const kong = `${exchange.httpVersion} kong/${node.version}`
  const prefix = exchange.forwarded('x-forwarded-prefix') ?? exchange.forwardedPrefix
  head.push(
    'Via',
    via === undefined ? kong : `${via}, ${kong}`,
    'X-Forwarded-For',
    before === undefined ? exchange.clientIp : `${before}, ${exchange.peer.ip}`,
    'X-Forwarded-Proto',
    exchange.forwarded('x-forwarded-proto') ?? exchange.scheme,
    'X-Forwarded-Host',
    exchange.forwarded('x-forwarded-host') ?? exchange.host,
    'X-Forwarded-Port',
    exchange.forwarded('x-forwarded-port') ?? String(exchange.serverPort),
    'X-Forwarded-Path',
    exchange.forwarded('x-forwarded-path') ?? exchange.rawPath,
  )
  if (prefix !== undefined) head.push('X-Forwarded-Prefix', prefix)
  head.push('X-Real-IP', exchange.clientIp, 'X-Kong-Request-Id', exchange.id)
  return head
}

/** Names that the Connection header takes out of the request. */
export function connectionHeaders(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || PLAIN_CONNECTION.has(connection)) return undefined
  return new Set(connection.split(',').map(name => name.trim().toLowerCase()))
}

/** The target of the request line for the upstream. */
export function requestTarget(exchange: Exchange, destination: Destination): string {
  return exchange.rawQuery === undefined ? destination.path : `${destination.path}?${exchange.rawQuery}`
}
