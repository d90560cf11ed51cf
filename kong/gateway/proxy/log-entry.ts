import type { TlsFacts } from './client-request.ts'
import type { Exchange } from './exchange.ts'
import type { HeaderValue } from './header-map.ts'

type Entry = Record<string, unknown>

const SOURCES = { error: 'kong', exit: 'kong', service: 'upstream' } as const

/**
 * What `kong.log.serialize` gives, once the response is over (kong/pdk/log.lua of 3.9).
 *
 * @param values what plugins set with `kong.log.set_serialize_value`
 */
export function logEntry(exchange: Exchange, values = exchange.serializeValues): Entry {
  const { node, requestUri } = exchange
  const entry: Entry = {
    request: {
      id: exchange.id,
      uri: requestUri,
      url: `${exchange.scheme}://${isValidHost(exchange.hostHeader) ? exchange.host : 'kong'}:${exchange.serverPort}${requestUri}`,
      querystring: exchange.query,
      method: exchange.method,
      headers: redacted(exchange.headers.toRecord()),
      size: exchange.headBytes + exchange.body.bytesRead,
      ...(exchange.tls && { tls: tlsEntry(exchange.tls) }),
    },
    upstream_uri: upstreamUri(exchange),
    upstream_status: exchange.upstreamStatus,
    response: {
      status: exchange.status,
      headers: sentHeaders(exchange),
      size: exchange.responseBytes,
    },
    latencies: {
      kong: exchange.proxyLatencyMs ?? exchange.responseLatencyMs ?? 0,
      proxy: exchange.waitingMs ?? -1,
      request: exchange.requestMs,
      receive: exchange.receiveMs,
    },
    tries: exchange.tries,
    authenticated_entity: exchange.credential && authenticatedEntity(exchange),
    route: exchange.route && entityOf(exchange.route, node.workspaceId),
    service: exchange.service && entityOf(exchange.service, node.workspaceId),
    consumer: exchange.consumer && entityOf(exchange.consumer),
    client_ip: exchange.clientIp,
    started_at: exchange.startedAtMs,
    source: SOURCES[exchange.source],
    workspace: node.workspaceId,
    workspace_name: 'default',
  }
  for (const { key, value } of values) edit(entry, key.split('.'), value)
  return entry
}

/** No client is asked for a certificate. */
const tlsEntry = ({ version, cipher }: TlsFacts): Entry => ({ version, cipher, client_verify: 'NONE' })

function upstreamUri({ destination, rawQuery }: Exchange): string {
  const path = destination?.path ?? ''
  return path === '' || rawQuery === undefined ? path : `${path}?${rawQuery}`
}

function authenticatedEntity({ credential }: Exchange): Entry {
  const { id, consumer_id } = credential as { id?: string; consumer_id?: string }
  return { id, ...(consumer_id !== undefined && { consumer_id }) }
}

function redacted(headers: Record<string, HeaderValue>): Record<string, HeaderValue> {
  for (const name of ['authorization', 'proxy-authorization']) if (headers[name]) headers[name] = 'REDACTED'
  return headers
}

/** As OpenResty lists them once the request is over: the connection counts as closed then. */
export function sentHeaders(exchange: Exchange): Record<string, HeaderValue> {
  const headers = exchange.responseHeaders.toRecord()
  if (exchange.status === 499) return { connection: 'keep-alive' }
  headers.connection = 'close'
  const isBodyless = exchange.status === 204 || exchange.status === 304 || exchange.requestMethod === 'HEAD'
  if (headers['content-length'] === undefined && !isBodyless) headers['transfer-encoding'] = 'chunked'
  return headers
}

/** An entity as Kong's tables hold it: without the fields that are not set. */
export function entityOf(entity: object, workspaceId?: string): Entry {
  const present = Object.entries(entity).filter(([, value]) => value !== null && value !== undefined)
  return { ...Object.fromEntries(present), ...(workspaceId !== undefined && { ws_id: workspaceId }) }
}

/** Hosts that nginx accepts in a request. */
export const isValidHost = (host: string): boolean =>
  host !== '' && !/[\0-\x20\x7f/\\]|\.\./.test(host) && !/^[.:]/.test(host)

function edit(entry: Entry, path: readonly string[], value: unknown): void {
  let at = entry
  for (const name of path.slice(0, -1)) {
    if (typeof at[name] !== 'object' || at[name] === null) at[name] = {}
    at = at[name] as Entry
  }
  const last = path.at(-1)!
  if (value === undefined || value === null) delete at[last]
  else at[last] = value
}
