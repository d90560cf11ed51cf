/** The request of the recorded PDK calls, as the gateway would hold it. */
import { Readable } from 'node:stream'
import type { Consumer, Plugin, Route, Service } from '../../kong/entities/entities.ts'
import type { PdkHost } from '../../kong/gateway/pdk/call.ts'
import { Exchange } from '../../kong/gateway/proxy/exchange.ts'
import type { PluginConfiguration } from '../../kong/gateway/proxy/plugin.ts'
import type { Lookup } from '../../kong/gateway/state/state.ts'

const CREATED_AT = 1795188387

export const CONSUMER: Consumer = {
  id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8',
  created_at: 1795188387,
  updated_at: 1795188387,
  username: 'eddie',
  custom_id: 'eid',
  tags: ['gold'],
}

const SERVICE: Service = {
  id: 'e50bbf27-838a-428e-a1bf-fa6b8ef07ddc',
  created_at: 1795188387,
  updated_at: 1795188387,
  name: 'pr',
  protocol: 'http',
  host: '127.0.0.1',
  port: 19000,
  path: null,
  retries: 5,
  connect_timeout: 60000,
  write_timeout: 60000,
  read_timeout: 60000,
  enabled: true,
  tags: null,
  client_certificate: null,
  tls_verify: null,
  tls_verify_depth: null,
  ca_certificates: null,
}

const ROUTE: Route = {
  id: 'd0c0c2ca-5eb6-4e1c-932f-a59cb777932e',
  created_at: 1795188387,
  updated_at: 1795188387,
  name: 'pr',
  protocols: ['http', 'https'],
  https_redirect_status_code: 426,
  strip_path: true,
  preserve_host: false,
  request_buffering: true,
  response_buffering: true,
  tags: null,
  service: { id: SERVICE.id },
  snis: null,
  sources: null,
  destinations: null,
  methods: null,
  hosts: null,
  paths: ['/pr'],
  headers: null,
  regex_priority: 0,
  path_handling: 'v0',
}

export const PLUGIN: Plugin = {
  id: '550582b3-124f-4df2-bbfa-f72aee33112c',
  created_at: 1795188387,
  updated_at: 1795188387,
  name: 'probe',
  instance_name: null,
  route: { id: ROUTE.id },
  service: null,
  consumer: null,
  config: {},
  protocols: ['http', 'https'],
  enabled: true,
  tags: null,
}

const CREDENTIAL_ID = '80a61457-175c-4fac-a75f-0c90d84b873f'
const WORKSPACE_ID = 'e7989466-b9bd-414a-bee0-d8cde171292d'

export const configured = (sequence: number, config: Plugin['config'] = {}): PluginConfiguration => ({
  entity: { ...PLUGIN, config },
  key: `plugins:probe:${ROUTE.id}::::${WORKSPACE_ID}`,
  sequence,
})

const lookupOf = (consumer: Consumer): Lookup => ({
  get: (_, id) => (id === consumer.id ? (consumer as never) : undefined),
  find: (_, field, value) => (consumer[field as keyof Consumer] === value ? (consumer as never) : undefined),
  referring: () => [],
  list: () => [],
})

export interface ExchangeFacts {
  /** The upstream has answered, as the log phase finds it. */
  readonly answered?: boolean
  /** The port that the client's connection comes from. */
  readonly clientPort?: number
  readonly body?: Buffer
  /** When consumer, route and service were changed, seconds since the epoch. */
  readonly updatedAt?: number
  readonly workspaceId?: string
}

export function createExchange(facts: ExchangeFacts = {}): Exchange {
  const { answered = false, clientPort = 42416, body = Buffer.from('body'), updatedAt = CREATED_AT } = facts
  const changed = { updated_at: updatedAt }
  const exchange = new Exchange({
    request: {
      method: 'POST',
      target: '/pr/sub?a=1&a=2&b',
      httpVersion: 1.1,
      isHttp2: false,
      rawHeaders: [
        ...['Host', '127.0.0.1:28010', 'Connection', 'close', 'Content-Type', 'text/plain'],
        ...['Content-Length', String(body.length), 'x-multi', '1', 'x-multi', '2', 'apikey', 'ek'],
        ...['X-Consumer-ID', CONSUMER.id, 'X-Consumer-Custom-ID', 'eid', 'X-Consumer-Username', 'eddie'],
        ...['X-Credential-Identifier', CREDENTIAL_ID],
      ],
      peer: { ip: '127.0.0.1', port: clientPort },
      server: { ip: '127.0.0.1', port: 28010 },
      tls: undefined,
      body: { length: body.length, stream: Readable.from([body]), setStallTimeout: () => {} },
    },
    node: {
      nodeId: '665d247e-8a2a-4c84-b36f-08be59bcae54',
      version: '3.9.3',
      workspaceId: facts.workspaceId ?? WORKSPACE_ID,
      realIp: { isTrusted: () => false, header: 'x-real-ip', isRecursive: false },
    },
    lookup: lookupOf({ ...CONSUMER, ...changed }),
    id: 'f6dc4f516def3457a7431834a538c363',
    startedAtMs: 1795188799007,
  })
  exchange.route = { ...ROUTE, ...changed }
  exchange.service = { ...SERVICE, ...changed }
  exchange.forwardedPrefix = '/pr'
  exchange.destination = {
    scheme: 'http',
    path: '/sub',
    hostHeader: undefined,
    isAddress: true,
    host: '127.0.0.1',
    port: 19000,
    retries: 5,
    connectTimeoutMs: 60000,
    readTimeoutMs: 60000,
  }
  exchange.consumer = { ...CONSUMER, ...changed }
  exchange.credential = {
    id: CREDENTIAL_ID,
    consumer: { id: CONSUMER.id },
    key: 'ek',
    created_at: 1795188387,
    tags: null,
    ttl: null,
  }
  exchange.proxied = answered
  if (answered) exchange.responseHeaders.set('content-type', 'application/json')
  return exchange
}

/** The answer that a plugin gave instead of the upstream's. */
export function exitOf({ exit, responseHeaders }: Exchange) {
  if (!exit) return undefined
  const { status, body } = exit
  return {
    status,
    body: body === undefined ? undefined : Buffer.from(body).toString(),
    headers: responseHeaders.toRecord(),
  }
}

/** A gateway that knows one consumer, and keeps what plugins log. */
export function createPdkHost(): PdkHost & { readonly logged: readonly string[] } {
  const logged: string[] = []
  return {
    logged,
    hostname: 'vm',
    clusterId: 'b1d4f845-ccb4-4e09-8332-b838c03c7371',
    environment: { HOME: '<value of HOME>' },
    log: (level, plugin, text) => logged.push(`${level} ${plugin} ${text}`),
    traffic: () => ({ totalRequests: 277, activeConnections: 2 }),
  }
}
