import type { Consumer } from '../../entities/entities.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { entityOf } from '../proxy/log-entry.ts'
import { allow, everywhere, type PdkEvent, type PdkHost, whileServed } from './call.ts'

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/** `kong.client`, `kong.ip` and `kong.router`. */
export const client = {
  ...whileServed({
    'kong.client.get_ip': ({ exchange }) => exchange.peer.ip,
    'kong.client.get_forwarded_ip': ({ exchange }) => exchange.clientIp,
    'kong.client.get_port': ({ exchange }) => exchange.peer.port,
    'kong.client.get_forwarded_port': ({ exchange }) => exchange.clientPort,
    // The gateway asks no client for a certificate.
    'kong.client.tls.get_full_client_certificate_chain': () => undefined,
  }),
  ...allow(['access', 'response', 'log'], {
    'kong.client.get_credential': ({ exchange }) => exchange.credential && entityOf(exchange.credential),
    'kong.client.get_consumer': ({ exchange }) => exchange.consumer && entityOf(exchange.consumer),
    'kong.client.load_consumer': loadConsumer,
    'kong.client.get_protocol': protocolOf,
    'kong.router.get_route': ({ exchange }) =>
      exchange.route && entityOf(exchange.route, exchange.node.workspaceId),
    'kong.router.get_service': ({ exchange }) =>
      exchange.service && entityOf(exchange.service, exchange.node.workspaceId),
  }),
  ...allow(['access'], {
    'kong.client.authenticate': ({ exchange }, _, [consumer, credential]) => {
      authenticate(exchange, consumer, credential)
    },
  }),
  ...everywhere({
    'kong.ip.is_trusted': ({ exchange }, _, [ip]) => exchange.node.realIp.isTrusted(String(ip)),
  }),
}

function loadConsumer(
  { exchange: { lookup } }: PdkEvent,
  _: PdkHost,
  [id, byUsername]: readonly unknown[],
): unknown {
  if (typeof id !== 'string' || id === '') throw new Error('consumer_id must be a string')
  const isUuid = UUID.test(id)
  if (!isUuid && !byUsername) throw new Error('cannot load a consumer with an id that is not a uuid')
  const found =
    (isUuid ? lookup.get('consumers', id) : undefined) ??
    (byUsername ? lookup.find('consumers', 'username', id) : undefined)
  return found && entityOf(found)
}

function protocolOf({ exchange, phase }: PdkEvent, _: PdkHost, [allowTerminated]: readonly unknown[]) {
  const { route } = exchange
  if (!route) return undefined
  if (route.protocols.length === 1) return route.protocols[0]
  if (phase === 'log') throw new Error('API disabled in the context of ngx.timer')
  const forwarded = allowTerminated ? exchange.forwarded('x-forwarded-proto')?.toLowerCase() : undefined
  return forwarded === 'https' ? 'https' : exchange.scheme
}

function authenticate(exchange: Exchange, consumer: unknown, credential: unknown): void {
  const isTable = (value: unknown) => typeof value === 'object' && value !== null
  const isNil = (value: unknown) => value === undefined || value === null
  if (!isTable(consumer) && !isNil(consumer)) throw new Error('consumer must be a table or nil')
  if (!isTable(credential) && !isNil(credential)) throw new Error('credential must be a table or nil')
  if (isNil(consumer) && isNil(credential)) throw new Error('either credential or consumer must be provided')
  exchange.consumer = isNil(consumer) ? undefined : (consumer as Consumer)
  exchange.credential = isNil(credential) ? undefined : (credential as Record<string, unknown>)
}
