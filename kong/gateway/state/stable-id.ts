import { createHash } from 'node:crypto'
import type { Collection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'

/**
 * The ids that Kong gives to the entities of a declarative file, so that they stay the same from one load to the
 * next: UUIDs of version 5 (RFC 9562) under Kong's namespace, then the collection's name, then the entity's key.
 */

const KONG_NAMESPACE = 'fd02801f-0957-4a15-a55a-c8d9606f30b5'

export function uuidV5(namespace: string, name: string): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
    .subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** What identifies an entity of a file: one field, or several with the name of the collection in front. */
const KEYS: Readonly<Partial<Record<Collection, string | readonly string[]>>> = {
  services: 'name',
  routes: 'name',
  consumers: 'username',
  upstreams: 'name',
  plugins: ['name', 'route', 'service', 'consumer'],
  basicauth_credentials: ['username'],
  acls: ['consumer', 'group'],
  targets: ['upstream', 'target'],
  // The keys of key-auth and jwt may be generated, so Kong gives these a random id each time.
}

/**
 * The id that Kong derives for an entity without one; undefined where it makes a random one.
 *
 * @param parent the field by which the entity refers to the one that it stands beneath, and the id of that one.
 */
export function stableId(
  collection: Collection,
  item: Readonly<Record<string, unknown>>,
  parent?: { readonly field: string; readonly id: string },
): string | undefined {
  const key = keyOf(collection, item, parent)
  return key === undefined ? undefined : uuidV5(uuidV5(KONG_NAMESPACE, collection), key)
}

function keyOf(
  collection: Collection,
  item: Readonly<Record<string, unknown>>,
  parent: { readonly field: string; readonly id: string } | undefined,
): string | undefined {
  const fields = KEYS[collection]
  if (fields === undefined) return undefined
  if (typeof fields === 'string') {
    const value = item[fields]
    return typeof value === 'string' ? value : undefined
  }
  // The asterisk stands for Kong's workspace.
  const parts: string[] = [collection, '*']
  for (const field of fields) {
    const value = item[field]
    if (typeof value === 'string') parts.push(value)
    else if (value === undefined && parent?.field === field) parts.push(parent.id)
    else if (value === undefined && !isOptional(collection, field)) return undefined
    else if (!isObject(value)) parts.push('')
  }
  return parts.join(':')
}

/** A plugin need not have every scope. */
const isOptional = (collection: Collection, field: string): boolean =>
  collection === 'plugins' && field !== 'name'
