import type { Exchange } from '../proxy/exchange.ts'

type Read = (exchange: Exchange) => string | undefined

const protocol: Read = ({ httpVersion }) => `HTTP/${httpVersion.toFixed(1)}`
const id: Read = exchange => exchange.id
const query: Read = ({ rawQuery }) => rawQuery

const VARIABLES: Readonly<Record<string, Read>> = {
  request: exchange => `${exchange.requestMethod} ${exchange.requestTarget} ${protocol(exchange)}`,
  request_method: ({ method }) => method,
  request_uri: ({ requestUri }) => requestUri,
  uri: ({ requestUri }) => requestUri.split('?', 1)[0],
  args: query,
  query_string: query,
  is_args: ({ rawQuery }) => (rawQuery === undefined ? '' : '?'),
  scheme: ({ scheme }) => scheme,
  https: ({ tls }) => (tls ? 'on' : ''),
  http2: ({ httpVersion }) => (httpVersion === 2 ? 'h2' : ''),
  host: ({ host }) => host,
  remote_addr: ({ clientIp }) => clientIp,
  remote_port: ({ clientPort }) => String(clientPort),
  realip_remote_addr: ({ peer }) => peer.ip,
  realip_remote_port: ({ peer }) => String(peer.port),
  server_addr: ({ serverIp }) => serverIp,
  server_port: ({ serverPort }) => String(serverPort),
  server_protocol: protocol,
  ssl_server_name: ({ serverName }) => serverName,
  ssl_protocol: ({ tls }) => tls?.version,
  ssl_cipher: ({ tls }) => tls?.cipher,
  // The gateway asks no client for a certificate.
  ssl_client_verify: ({ tls }) => tls && 'NONE',
  request_id: id,
  kong_request_id: id,
  request_length: ({ headBytes, body }) => String(headBytes + body.bytesRead),
  status: ({ proxied, exited, status }) => (proxied || exited ? String(status) : '000'),
  content_type: ({ headers }) => headers.get('content-type'),
  content_length: ({ headers }) => headers.get('content-length'),
  upstream_uri: ({ destination }) => destination?.path,
  upstream_scheme: ({ destination }) => destination?.scheme,
}

/** The values of nginx that a plugin may ask for; those that do not exist are nil. */
export function nginxVariable(exchange: Exchange, name: string): string | undefined {
  const { headers } = exchange
  if (name.startsWith('http_')) return headers.joined(name.slice(5).replaceAll('_', '-'))
  if (name.startsWith('arg_')) return argument(exchange, name.slice(4))
  if (name.startsWith('cookie_')) return cookie(headers.joined('cookie') ?? '', name.slice(7))
  return Object.hasOwn(VARIABLES, name) ? VARIABLES[name]?.(exchange) : undefined
}

function argument(exchange: Exchange, name: string): string {
  const given = exchange.query[name]
  const value = Array.isArray(given) ? given[0] : given
  return typeof value === 'string' ? value : ''
}

const cookie = (header: string, name: string): string | undefined =>
  header
    .split(/[;,]\s*/)
    .find(pair => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)
