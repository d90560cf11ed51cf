import { createHash } from 'node:crypto'
import { type Collection, ENTITIES } from '../../entities/entities.ts'
import { entryOf, type FieldSpec } from '../../schema/spec.ts'

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

type Item = Readonly<Record<string, unknown>>

/** The field by which an entity refers to the one that it stands beneath, and the id of that one. */
export interface Parent {
  readonly field: string
  readonly id: string
}

/** The id that Kong derives for an entity without one; undefined where it makes a random one. */
export function stableId(collection: Collection, item: Item, parent?: Parent): string | undefined {
  const { cacheKey, endpointKey } = ENTITIES[collection]
  const key = cacheKey ? cacheKeyOf(collection, cacheKey, item, parent) : endpointKey && item[endpointKey]
  return typeof key === 'string' ? uuidV5(uuidV5(KONG_NAMESPACE, collection), key) : undefined
}

function cacheKeyOf(
  collection: Collection,
  fields: readonly string[],
  item: Item,
  parent: Parent | undefined,
): string | undefined {
  // The asterisk stands for Kong's workspace.
  const parts: string[] = [collection, '*']
  for (const field of fields) {
    const spec = specOf(collection, field)
    const value = item[field]
    // A key that may be generated cannot be told in advance.
    if (spec?.auto) return undefined
    if (typeof value === 'string') parts.push(value)
    else if (value === undefined && parent?.field === field) parts.push(parent.id)
    else if (value === undefined && spec?.required) return undefined
    else if (value === undefined) parts.push('')
  }
  return parts.join(':')
}

const specOf = (collection: Collection, name: string): FieldSpec | undefined =>
  ENTITIES[collection].schema.fields.map(entryOf).find(([field]) => field === name)?.[1]
