import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import { isObject } from '../../kong/schema/spec.ts'

/** A host that an entity points to, and where that stands in it. */
export interface Place {
  readonly path: readonly (string | number)[]
  readonly host: string
  readonly port: number | undefined
}

/** A piece of text in an entity, and where it stands. */
interface Leaf {
  readonly path: readonly (string | number)[]
  readonly text: string
}

const HOST_FIELDS: ReadonlySet<string> = new Set([
  'host',
  'hostname',
  'redis_host',
  'server',
  'address',
  'endpoint',
])
const HOST_AND_PORT = /^(\[[^\]]+\]|[^:/\s]+)(?::(\d+))?$/
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  ...{ 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443, 'grpc:': 80, 'grpcs:': 443 },
  ...{
    'redis:': 6379,
    'rediss:': 6379,
    'postgres:': 5432,
    'postgresql:': 5432,
    'amqp:': 5672,
    'amqps:': 5671,
  },
}

/** The hosts that an entity makes Kong speak with: those of services and targets, and every URL or host of a plugin. */
export function placesOf(kind: KindName, fields: Row): readonly Place[] {
  switch (kind) {
    case 'services':
      return typeof fields.host === 'string'
        ? [{ path: ['host'], host: fields.host, port: Number(fields.port) || undefined }]
        : []
    case 'targets':
      return hostAndPort(['target'], String(fields.target ?? ''))
    case 'plugins':
    case 'vaults':
      return placesIn(fields.config)
    default:
      return []
  }
}

function placesIn(config: unknown): readonly Place[] {
  const ports = new Map<string, number>()
  for (const { path, value } of nodesOf(config, ['config']))
    if (path.at(-1) === 'port' && typeof value === 'number') ports.set(path.slice(0, -1).join('\0'), value)
  return leavesOf(config, ['config']).flatMap(({ path, text }) => {
    const byUrl = urlPlace(path, text)
    if (byUrl) return [byUrl]
    const field = [...path].reverse().find(part => typeof part === 'string')
    if (!HOST_FIELDS.has(String(field))) return []
    const port = ports.get(path.slice(0, -1).join('\0'))
    return hostAndPort(path, text).map(place => ({ ...place, port: place.port ?? port }))
  })
}

function urlPlace(path: Leaf['path'], text: string): Place | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined
  try {
    // Of special schemes alone the parser reads `127.1` as an address; a resolver does so of all.
    const { hostname, port, protocol } = new URL(text)
    return hostname === ''
      ? undefined
      : { path, host: hostname, port: Number(port) || DEFAULT_PORTS[protocol] }
  } catch {
    return undefined
  }
}

function hostAndPort(path: Leaf['path'], text: string): readonly Place[] {
  const bare = text.includes('::') || text.split(':').length > 2 ? text : undefined
  if (bare !== undefined && !bare.startsWith('[')) return [{ path, host: bare, port: undefined }]
  const [, host, port] = HOST_AND_PORT.exec(text) ?? []
  return host === undefined ? [] : [{ path, host, port: port === undefined ? undefined : Number(port) }]
}

/** All texts in a value. */
export const leavesOf = (value: unknown, path: Leaf['path']): readonly Leaf[] =>
  nodesOf(value, path).flatMap(node =>
    typeof node.value === 'string' ? [{ path: node.path, text: node.value }] : [],
  )

function nodesOf(
  value: unknown,
  path: Leaf['path'],
): readonly { readonly path: Leaf['path']; readonly value: unknown }[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => nodesOf(item, [...path, i]))
  if (isObject(value)) return Object.entries(value).flatMap(([name, item]) => nodesOf(item, [...path, name]))
  return [{ path, value }]
}
