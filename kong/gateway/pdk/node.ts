import { entityOf } from '../proxy/log-entry.ts'
import { everywhere, type PdkEvent, type PdkHost, whileServed } from './call.ts'
import { nginxVariable } from './nginx-variable.ts'

const TOTAL = 5 * 1024 * 1024
const PAGE = 4096

/** `kong.node`, `kong.nginx`, `kong.cluster`, `kong.ctx`, `kong.plugin` and `kong.vault`. */
export const node = {
  ...whileServed({
    'kong.nginx.get_var': ({ exchange }, _, [name]) => nginxVariable(exchange, String(name)),
  }),
  ...everywhere({
    'kong.ctx.shared.get': ({ exchange }, _, [key]) => exchange.shared.get(String(key)),
    'kong.ctx.shared.set': ({ exchange }, _, [key, value]) => {
      store(exchange.shared, String(key), value)
    },
    'kong.nginx.get_ctx': (event, _, [key]) => contextValue(event, String(key)),
    'kong.nginx.set_ctx': ({ exchange }, _, [key, value]) => {
      // A field of Kong's own: whether the response is held back for plugins.
      if (key === 'buffered_proxying')
        exchange.buffering = value !== undefined && value !== null && value !== false
      else store(exchange.variables, String(key), value)
    },
    'kong.nginx.get_tls1_version_str': ({ exchange }) => exchange.tls?.version,
    'kong.nginx.get_subsystem': () => 'http',
    'kong.nginx.req_start_time': ({ exchange }) => exchange.startedAtMs / 1000,
    'kong.nginx.get_statistics': statistics,
    'kong.node.get_id': ({ exchange }) => exchange.node.nodeId,
    'kong.node.get_hostname': (_, { hostname }) => hostname,
    'kong.node.get_memory_stats': memory,
    'kong.cluster.get_id': (_, { clusterId }) => clusterId,
    'kong.plugin.get_id': ({ plugin }) => plugin.id,
    'kong.vault.get': (_, { environment }, [reference]) => secret(environment, reference),
    'kong.vault.is_reference': (_, __, [reference]) => REFERENCE.test(String(reference)),
  }),
}

function store(values: Map<string, unknown>, key: string, value: unknown): void {
  if (value === undefined || value === null) values.delete(key)
  else values.set(key, value)
}

/** What Kong itself keeps in `ngx.ctx`, as far as plugins use it, and what they put there. */
function contextValue({ exchange }: PdkEvent, key: string): unknown {
  if (exchange.variables.has(key)) return exchange.variables.get(key)
  switch (key) {
    case 'authenticated_consumer':
      return exchange.consumer && entityOf(exchange.consumer)
    case 'authenticated_credential':
      return exchange.credential && entityOf(exchange.credential)
    case 'KONG_PROCESSING_START':
      return exchange.startedAtMs
    case 'buffered_proxying':
      return exchange.buffering || undefined
    case 'KONG_PROXIED':
      return exchange.proxied || undefined
    case 'KONG_EXITED':
      return exchange.exited || undefined
    case 'workspace':
      return exchange.node.workspaceId
    default:
      return undefined
  }
}

function statistics(_: PdkEvent, { traffic }: PdkHost) {
  const { totalRequests, activeConnections } = traffic()
  return {
    connections_active: activeConnections,
    connections_reading: 0,
    connections_writing: activeConnections,
    connections_waiting: 0,
    connections_accepted: totalRequests,
    connections_handled: totalRequests,
    total_requests: totalRequests,
  }
}

/** Kong's shape, with this process in the place of its workers; it has no shared dictionaries. */
function memory() {
  const { heapUsed } = process.memoryUsage()
  const dictionary = { allocated_slabs: PAGE, capacity: TOTAL }
  return {
    lua_shared_dicts: { kong: dictionary, kong_db_cache: dictionary },
    workers_lua_vms: [{ http_allocated_gc: heapUsed, pid: process.pid }],
  }
}

const REFERENCE = /^\{vault:\/\/[^/]+\/.+\}$/
const ENVIRONMENT = /^\{vault:\/\/env\/([^}]+)\}$/

/** Only the vault of environment variables, as an unconfigured Kong. */
function secret(environment: PdkHost['environment'], reference: unknown): string | undefined {
  const name = ENVIRONMENT.exec(String(reference))?.[1]
  return name === undefined ? undefined : environment[name.toUpperCase().replaceAll('-', '_')]
}
