import { isIP } from 'node:net'
import { escapePath } from '../router/path.ts'
import type { Configuration } from './configuration.ts'
import type { Destination, Exchange } from './exchange.ts'

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_RETRIES = 5

/** Finds the route of a request and what follows from it, or answers that there is none that serves it. */
export function route(exchange: Exchange, { router, services }: Configuration): void {
  const match = router.match(exchange)
  if (!match) {
    exchange.respondError(404, 'no Route matched with those values')
    return
  }
  exchange.match = match
  exchange.forwardedPrefix = match.prefix === '/' ? undefined : match.prefix
  const { protocols } = match.route
  const scheme = exchange.forwarded('x-forwarded-proto') ?? exchange.scheme
  if (protocols.includes('https') && !protocols.includes('http') && scheme !== 'https') {
    demandTls(exchange, match.route.https_redirect_status_code)
    return
  }
  if (protocols.includes('grpc') || protocols.includes('grpcs')) {
    refuseGrpc(exchange)
    return
  }
  exchange.route = match.route
  const service = match.route.service ? services.get(match.route.service.id) : undefined
  if (service?.enabled) exchange.service = service
  exchange.destination = destinationOf(exchange, match.upstreamPath(service?.path ?? '/'))
  exchange.tries = []
}

function demandTls(exchange: Exchange, status: number): void {
  const host = exchange.forwarded('x-forwarded-host') ?? exchange.host
  if (status === 426)
    exchange.respondError(426, 'Please use HTTPS protocol', {
      Connection: 'Upgrade',
      Upgrade: 'TLS/1.2, HTTP/1.1',
    })
  else exchange.respond(status, undefined, { Location: `https://${host}${exchange.requestUri}` })
}

/** The gateway does not forward gRPC. Requests of other kinds are refused as Kong refuses them. */
function refuseGrpc(exchange: Exchange): void {
  if (!exchange.headers.get('content-type')?.startsWith('application/grpc'))
    exchange.respondError(415, 'Non-gRPC request matched gRPC route')
  else if (exchange.httpVersion < 2)
    exchange.respondError(426, 'Please use HTTP2 protocol', { connection: 'Upgrade', upgrade: 'HTTP/2' })
  else exchange.respondError(501, 'gRPC is not supported by this gateway')
}

function destinationOf(exchange: Exchange, path: string): Destination {
  const { service, route: matched, hostHeader } = exchange
  return {
    scheme: service?.protocol ?? 'http',
    path: escapePath(path),
    hostHeader: matched?.preserve_host ? hostHeader : undefined,
    isAddress: isIP(service?.host ?? '') !== 0,
    host: service?.host ?? '',
    port: service?.port ?? 80,
    retries: service?.retries ?? DEFAULT_RETRIES,
    connectTimeoutMs: service?.connect_timeout ?? DEFAULT_TIMEOUT_MS,
    readTimeoutMs: service?.read_timeout ?? DEFAULT_TIMEOUT_MS,
  }
}
