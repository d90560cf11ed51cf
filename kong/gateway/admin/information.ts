import { hostname } from 'node:os'
import { COLLECTIONS, type Collection } from '../../entities/entities.ts'
import { COLLECTION_INFO } from '../../entities/schemas.ts'
import { entryOf, type NamedField, type SchemaSpec } from '../../schema/spec.ts'
import type { Lookup } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import { type Answer, message, notFoundAnswer, ok } from './answer.ts'
import type { Methods, Resolve } from './resources.ts'

export interface PluginSummary {
  readonly priority: number
  readonly version: string
}

export interface NodeInformation {
  readonly nodeId: string
  /** The version of Kong whose behaviour the gateway follows. */
  readonly version: string
  readonly plugins: Readonly<Record<string, PluginSummary>>
  /** The settings that the gateway runs with, without secrets. */
  readonly configuration: Readonly<Record<string, unknown>>
  /** Requests that the proxy has served so far, and connections that are open. */
  readonly traffic: () => { readonly totalRequests: number; readonly activeConnections: number }
}

/** `/`, `/status`, `/schemas/…`, `/plugins/enabled`, `/tags`, `/endpoints`. */
export function createInformation(
  store: EntityStore,
  lookup: Lookup,
  node: NodeInformation,
  config?: { readonly hash: string },
): Resolve {
  const only = (GET: () => Answer): Methods => ({ GET })
  return path => {
    const [first, second, third] = path
    switch (first) {
      case undefined:
        return only(() => root(lookup, node))
      case 'status':
        return path.length === 1 ? only(() => status(node, config)) : undefined
      case 'tags':
        return path.length === 1 ? only(() => tags(lookup, undefined)) : tagged(path, lookup)
      case 'plugins':
        return second === 'enabled' && path.length === 2
          ? only(() => ok({ enabled_plugins: Object.keys(node.plugins) }))
          : undefined
      case 'endpoints':
        return path.length === 1 ? only(() => ok({ data: endpoints(store) })) : undefined
      case 'schemas':
        return schemas(store, second, third, path.length)
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

const tagged = (path: readonly string[], lookup: Lookup): Methods | undefined =>
  path.length === 2 ? { GET: () => tags(lookup, path[1]) } : undefined

function tags(lookup: Lookup, wanted: string | undefined): Answer {
  const data = COLLECTIONS.flatMap(collection =>
    (lookup.list(collection) as unknown as readonly Row[]).flatMap(row =>
      ((row.tags as readonly string[] | null) ?? [])
        .filter(tag => wanted === undefined || tag === wanted)
        .map(tag => ({ entity_name: collection, entity_id: row.id, tag })),
    ),
  )
  return ok({ data, next: null })
}

function endpoints(store: EntityStore): string[] {
  const paths = COLLECTIONS.flatMap(child => {
    const { path, nestedPath } = COLLECTION_INFO[child]
    const nested = [...store.schemas[child].fieldsFor({})].flatMap(([field, { spec }]) => {
      const parent = COLLECTION_INFO[spec.reference as Collection]
      if (!parent) return []
      const beneath = `/${parent.path}/{${spec.reference}}/${nestedPath}`
      return [`/${path}/{${child}}/${field}`, beneath, `${beneath}/{${child}}`]
    })
    return [`/${path}`, `/${path}/{${child}}`, ...nested]
  })
  return [
    ...paths,
    '/',
    '/config',
    '/endpoints',
    '/plugins/enabled',
    '/schemas/{name}',
    '/status',
    '/tags',
  ].sort()
}

/** Functions are no JSON and fall away; a list of entity checks is always there. */
const published = (spec: SchemaSpec): unknown => ({
  entity_checks: spec.entity_checks ?? [],
  fields: spec.fields.map(requiredRecords),
})

/** Records within records are required unless they say otherwise. */
function requiredRecords(field: NamedField): NamedField {
  const [name, spec] = entryOf(field)
  if (spec.type !== 'record' || spec.abstract || !spec.fields) return field
  return { [name]: { ...spec, required: spec.required ?? true, fields: spec.fields.map(requiredRecords) } }
}

function schemas(
  store: EntityStore,
  name: string | undefined,
  third: string | undefined,
  length: number,
): Methods | undefined {
  if (name === undefined || length > 3) return undefined
  if (third === 'validate')
    return {
      POST(request) {
        if (!(name in COLLECTION_INFO)) return message(404, `No entity named '${name}'`)
        store.validate(name as Collection, request.body)
        return ok({ message: 'schema validation successful' })
      },
    }
  if (name === 'plugins' && third !== undefined) {
    const spec = store.schemas.plugins.subschemas.get(third)
    return { GET: () => (spec ? ok(published(spec)) : message(404, `No plugin named '${third}'`)) }
  }
  if (third !== undefined) return { GET: () => notFoundAnswer }
  const schema = store.schemas[name as Collection]
  return { GET: () => (schema ? ok(published(schema.spec)) : message(404, `No entity named '${name}'`)) }
}
