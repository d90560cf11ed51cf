/** The request of the recorded PDK calls, as the gateway would hold it. */
import type { Consumer, Plugin, Route, Service } from '../../kong/entities/entities.ts'
import type { LogEntry, PdkHost } from '../../kong/gateway/pdk/call.ts'
import type { Exchange, Headers, HeaderValue } from '../../kong/gateway/pdk/exchange.ts'
import type { ConfiguredPlugin } from '../../kong/gateway/plugin-client/config.ts'
import type { Lookup } from '../../kong/gateway/state/state.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export function createHeaders(given: Readonly<Record<string, HeaderValue>> = {}): Headers {
  const fields = new Map<string, string[]>()
  const list = (value: HeaderValue) => (typeof value === 'string' ? [value] : [...value])
  const headers: Headers = {
    get: name => fields.get(name.toLowerCase())?.[0],
    joined: name => fields.get(name.toLowerCase())?.join(', '),
    set: (name, value) => fields.set(name.toLowerCase(), list(value)),
    add: (name, value) =>
      fields.set(name.toLowerCase(), [...(fields.get(name.toLowerCase()) ?? []), ...list(value)]),
    delete: name => fields.delete(name.toLowerCase()),
    toRecord: () =>
      Object.fromEntries(
        [...fields].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
      ),
  }
  for (const [name, value] of Object.entries(given)) headers.set(name, value)
  return headers
}

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

const WORKSPACE_ID = 'e7989466-b9bd-414a-bee0-d8cde171292d'

export const configured = (sequence: number, config: Plugin['config'] = {}): ConfiguredPlugin => ({
  entity: { ...PLUGIN, config },
  key: `plugins:probe:${ROUTE.id}::::${WORKSPACE_ID}`,
  sequence,
})

export interface ExitedExchange extends Mutable<Exchange> {
  exit?: { status: number; body: string | undefined; headers: Record<string, HeaderValue> }
  replacedBody?: Buffer
}

const LOOKUP: Lookup = {
  get: (_, id) => (id === CONSUMER.id ? (CONSUMER as never) : undefined),
  find: (_, field, value) => (CONSUMER[field as keyof Consumer] === value ? (CONSUMER as never) : undefined),
  referring: () => [],
  list: () => [],
}

/** @param answered the upstream has answered, as the log phase finds it */
export function createExchange(answered = false): ExitedExchange {
  const exchange: ExitedExchange = {
    node: {
      nodeId: '665d247e-8a2a-4c84-b36f-08be59bcae54',
      workspaceId: WORKSPACE_ID,
      isTrusted: () => false,
    },
    lookup: LOOKUP,
    id: 'f6dc4f516def3457a7431834a538c363',
    startedAtMs: 1795188799007,
    method: 'POST',
    requestUri: '/pr/sub?a=1&a=2&b',
    requestMethod: 'POST',
    httpVersion: 1.1,
    headBytes: 200,
    headers: createHeaders({
      host: '127.0.0.1:28010',
      connection: 'close',
      'content-type': 'text/plain',
      'content-length': '4',
      'x-multi': ['1', '2'],
      apikey: 'ek',
      'x-consumer-id': CONSUMER.id,
      'x-consumer-custom-id': 'eid',
      'x-consumer-username': 'eddie',
      'x-credential-identifier': '80a61457-175c-4fac-a75f-0c90d84b873f',
    }),
    body: {
      async whole(maxBytes) {
        const body = exchange.replacedBody ?? Buffer.from('body')
        return body.length <= maxBytes ? body : undefined
      },
      bytesRead: 4,
      replace(bytes) {
        exchange.replacedBody = bytes
      },
    },
    scheme: 'http',
    clientIp: '127.0.0.1',
    clientPort: 42416,
    serverIp: '127.0.0.1',
    serverPort: 28010,
    host: '127.0.0.1',
    rawQuery: 'a=1&a=2&b',
    query: { a: ['1', '2'], b: true },
    setRawQuery(query) {
      exchange.rawQuery = query
    },
    setQuery(query) {
      exchange.query = query as Exchange['query']
    },
    match: undefined,
    route: ROUTE,
    service: SERVICE,
    destination: {
      scheme: 'http',
      path: '/sub',
      hostHeader: undefined,
      host: '127.0.0.1',
      port: 19000,
      retries: 5,
      connectTimeoutMs: 60000,
      readTimeoutMs: 60000,
    },
    forwardedPrefix: '/pr',
    consumer: CONSUMER,
    credential: {
      id: '80a61457-175c-4fac-a75f-0c90d84b873f',
      consumer: { id: CONSUMER.id },
      key: 'ek',
      created_at: 1795188387,
      tags: null,
      ttl: null,
    },
    shared: new Map(),
    variables: new Map(),
    serializeValues: [],
    proxied: answered,
    buffering: false,
    buffered: undefined,
    exited: false,
    source: answered ? 'service' : 'error',
    status: answered ? 200 : 0,
    responseHeaders: createHeaders(answered ? { 'content-type': 'application/json' } : {}),
    respond(status, body, headers = {}) {
      exchange.exited = true
      exchange.exit = { status, body: body === undefined ? undefined : Buffer.from(body).toString(), headers }
    },
    respondError(status, message, headers) {
      exchange.respond(status, message ?? 'an error of the gateway', headers)
    },
  }
  return exchange
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

export const logEntry = (exchange: Exchange, values: Exchange['serializeValues']): LogEntry => ({
  request: { id: exchange.id, method: exchange.method },
  response: { status: exchange.status, headers: exchange.responseHeaders.toRecord() },
  ...Object.fromEntries(values.map(({ key, value }) => [key, value])),
})
