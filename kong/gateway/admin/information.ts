import { hostname } from 'node:os'
import type { Lookup } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import { type Answer, ok } from './answer.ts'
import { listEndpoints } from './endpoints.ts'
import type { Methods, Resolve } from './route.ts'
import { configurationSchema } from './schemas.ts'

export interface PluginSummary {
  readonly priority: number
  readonly version: string
}

export interface NodeInformation {
  readonly nodeId: string
  /** The version of Kong whose behaviour the gateway follows. */
  readonly version: string
  readonly plugins: Readonly<Record<string, PluginSummary>>
  /** Of these the plugins whose configuration is accepted, but which are not run. */
  readonly notRun: readonly string[]
  /** The settings that the gateway runs with, without secrets. */
  readonly configuration: Readonly<Record<string, unknown>>
  /** Requests that the proxy has served so far, and connections that are open. */
  readonly traffic: () => { readonly totalRequests: number; readonly activeConnections: number }
}

/** `/`, `/status`, `/plugins/enabled`, `/plugins/schema/<plugin>`, `/endpoints`. */
export function createInformation(
  store: EntityStore,
  lookup: Lookup,
  node: NodeInformation,
  config?: { readonly hash: string },
): Resolve {
  const only = (GET: () => Answer): Methods => ({ GET })
  return path => {
    const [first, second, third] = path
    if (first === 'plugins' && second === 'schema' && third !== undefined && path.length === 3)
      return only(() => configurationSchema(store, third))
    switch (path.join('/')) {
      case '':
        return only(() => root(lookup, node))
      case 'status':
        return only(() => status(node, config))
      case 'plugins/enabled':
        return only(() => ok({ enabled_plugins: Object.keys(node.plugins) }))
      case 'endpoints':
        return only(() => ok({ data: listEndpoints() }))
      default:
        return undefined
    }
  }
}

function root(lookup: Lookup, node: NodeInformation): Answer {
  return ok({
    tagline: 'Welcome to kong',
    version: node.version,
    edition: 'community',
    hostname: hostname(),
    node_id: node.nodeId,
    lua_version: 'none: this is the local gateway of Sluice',
    pids: { master: process.pid, workers: [process.pid] },
    timers: { running: 0, pending: 0 },
    plugins: {
      available_on_server: node.plugins,
      // Not Kong's: plugins that are accepted and not run are never passed over in silence.
      not_run: node.notRun,
      enabled_in_cluster: [...new Set(lookup.list('plugins').map(plugin => plugin.name))],
    },
    configuration: node.configuration,
  })
}

function status(node: NodeInformation, config: { readonly hash: string } | undefined): Answer {
  const { totalRequests, activeConnections } = node.traffic()
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(2)} MiB`
  return ok({
    ...(config ? { configuration_hash: config.hash } : { database: { reachable: true } }),
    memory: {
      workers_lua_vms: [{ http_allocated_gc: mebibytes(process.memoryUsage().heapUsed), pid: process.pid }],
      lua_shared_dicts: {},
    },
    server: {
      connections_accepted: totalRequests,
      connections_handled: totalRequests,
      connections_active: activeConnections,
      connections_reading: 0,
      connections_writing: activeConnections,
      connections_waiting: 0,
      total_requests: totalRequests,
    },
  })
}
