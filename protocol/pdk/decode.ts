/** Turns a reply of either protocol into what the PDK promises: the same value from both. */
import { SluiceError } from '../../foundation/errors.ts'
import { METHODS, type Method } from '../methods.ts'
import type {
  Consumer,
  Credential,
  HeaderMap,
  MemoryStats,
  QueryMap,
  Route,
  Service,
  UriCaptures,
} from './entities.ts'

type Fields = Readonly<Record<string, unknown>>

/** @throws SLUICE_PROTOCOL_FRAME where Kong answered with something else than its documentation says. */
export function decodeReply(method: Method, value: unknown): unknown {
  switch (method) {
    case 'kong.client.get_consumer':
    case 'kong.client.load_consumer':
      return consumer(value)
    case 'kong.client.get_credential':
      return credential(value)
    case 'kong.router.get_service':
      return service(value)
    case 'kong.router.get_route':
      return route(value)
    case 'kong.request.get_headers':
    case 'kong.response.get_headers':
    case 'kong.service.response.get_headers':
      return headers(value)
    case 'kong.request.get_query':
      return query(value)
    case 'kong.request.get_uri_captures':
      return uriCaptures(value)
    case 'kong.request.get_raw_body':
      // MsgPack gives the bytes alone.
      return value instanceof Uint8Array || typeof value === 'string'
        ? { content: bytes(value) }
        : (value ?? {})
    case 'kong.service.response.get_raw_body':
      return bytes(value)
    case 'kong.node.get_memory_stats':
      return memoryStats(value)
    case 'kong.log.serialize':
      return serialized(value)
    case 'kong.request.get_raw_query':
      return value ?? ''
    case 'kong.ip.is_trusted':
    case 'kong.service.set_upstream':
    case 'kong.vault.is_reference':
      return value === true
  }
  if (METHODS[method]?.[1] === 'String') return value === '' || value === null ? undefined : value
  return value ?? undefined
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const list = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [])
const object = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null ? (value as Fields) : undefined

/** MsgPack has Kong's own snake_case names, ProtoBuf those of the message. */
function consumer(value: unknown): Consumer | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const username = text(fields.username)
  const customId = text(fields.customId ?? fields.custom_id)
  const createdAt = number(fields.createdAt ?? fields.created_at)
  return {
    id,
    ...(username !== undefined && { username }),
    ...(customId !== undefined && { customId }),
    tags: list(fields.tags),
    ...(createdAt !== undefined && { createdAt }),
  }
}

function credential(value: unknown): Credential | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const consumerId = text(fields.consumerId ?? fields.consumer_id ?? object(fields.consumer)?.id)
  return { id, ...(consumerId !== undefined && { consumerId }) }
}

function service(value: unknown): Service | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const name = text(fields.name)
  const path = text(fields.path)
  const retries = number(fields.retries)
  const connectTimeoutMs = number(fields.connectTimeout ?? fields.connect_timeout)
  const writeTimeoutMs = number(fields.writeTimeout ?? fields.write_timeout)
  const readTimeoutMs = number(fields.readTimeout ?? fields.read_timeout)
  return {
    id,
    ...(name !== undefined && { name }),
    host: text(fields.host) ?? '',
    port: number(fields.port) ?? 0,
    protocol: text(fields.protocol) ?? '',
    ...(path !== undefined && { path }),
    ...(retries !== undefined && { retries }),
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    ...(writeTimeoutMs !== undefined && { writeTimeoutMs }),
    ...(readTimeoutMs !== undefined && { readTimeoutMs }),
    tags: list(fields.tags),
  }
}

function route(value: unknown): Route | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const name = text(fields.name)
  const serviceId = text(object(fields.service)?.id)
  return {
    id,
    ...(name !== undefined && { name }),
    protocols: list(fields.protocols),
    methods: list(fields.methods),
    hosts: list(fields.hosts),
    paths: list(fields.paths),
    ...(serviceId !== undefined && { serviceId }),
    tags: list(fields.tags),
  }
}

/** MsgPack gives every header as a list; a header that came once is a string here. */
function headers(value: unknown): HeaderMap {
  const map: Record<string, string | readonly string[]> = {}
  for (const [name, item] of Object.entries(object(value) ?? {})) {
    if (Array.isArray(item)) map[name] = item.length === 1 ? String(item[0]) : item.map(String)
    else map[name] = item === true ? '' : String(item)
  }
  return map
}

/** MsgPack gives every argument as a list, an empty one for an argument without a value. */
function query(value: unknown): QueryMap {
  const one = (item: unknown): string | true => (item === true ? true : String(item))
  return Object.fromEntries(
    Object.entries(object(value) ?? {}).map(([name, item]) => {
      if (!Array.isArray(item)) return [name, one(item)]
      if (item.length === 0) return [name, true]
      return [name, item.length === 1 ? one(item[0]) : item.map(one)]
    }),
  )
}

/** ProtoBuf gives bytes, and a map as a list of entries. */
function uriCaptures(value: unknown): UriCaptures {
  const { unnamed, named } = object(value) ?? {}
  const entries = Array.isArray(named)
    ? (named as { key?: string; value?: unknown }[]).map(entry => [entry.key ?? '', entry.value] as const)
    : Object.entries(object(named) ?? {})
  return {
    unnamed: (Array.isArray(unnamed) ? unnamed : []).map(written),
    named: Object.fromEntries(entries.map(([name, item]) => [name, written(item)])),
  }
}

const written = (item: unknown): string =>
  item instanceof Uint8Array ? Buffer.from(item).toString() : String(item ?? '')

const bytes = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : '')

/** Over MsgPack names are in snake_case, and sizes may come as texts. */
function memoryStats(value: unknown): MemoryStats {
  const fields = object(value) ?? {}
  const dicts = object(fields.luaSharedDicts ?? fields.lua_shared_dicts) ?? {}
  const vms = (fields.workersLuaVms ?? fields.workers_lua_vms) as Fields[] | undefined
  return {
    luaSharedDicts: Object.fromEntries(
      Object.entries(dicts).map(([name, item]) => {
        const dict = object(item) ?? {}
        const allocated = Number(dict.allocatedSlabs ?? dict.allocated_slabs ?? 0)
        return [
          name === 'kongDbCache' ? 'kong_db_cache' : name,
          { allocatedSlabs: allocated, capacity: Number(dict.capacity ?? 0) },
        ]
      }),
    ),
    workersLuaVms: (Array.isArray(vms) ? vms : []).map(vm => ({
      httpAllocatedGc: Number(vm.httpAllocatedGc ?? vm.http_allocated_gc ?? 0),
      pid: Number(vm.pid ?? 0),
    })),
  }
}

function serialized(value: unknown): Fields {
  if (typeof value !== 'string')
    throw new SluiceError('SLUICE_PROTOCOL_FRAME', 'kong.log.serialize gave no text')
  return JSON.parse(value) as Fields
}
