import { type Collection, ENTITIES } from '../../entities/entities.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject, type Violations } from '../../schema/spec.ts'
import { type Place, place } from './error-tree.ts'

type Tree = Readonly<Record<string, unknown>>

/** An entity of a declaration with its id. */
export interface Named {
  readonly collection: Collection
  readonly data: Tree
  readonly id: string
  readonly at: Place
  /** What the errors call it: its name, or its id where it has none. */
  readonly label: string
  /** What is wrong with it besides what its schema says. */
  readonly faults: Violations
  readonly isRecord: boolean
}

const nameKey = (collection: string, name: string): string => `${collection}/${name}`

/** Ids by collection and name, or by collection and id; and the names and ids that are declared twice. */
export function nameIndex(found: readonly Named[]): {
  readonly ids: ReadonlyMap<string, string>
  readonly doubles: Violations
} {
  const names = new Map<string, string>()
  const seen = new Set<string>()
  const doubles: Violations = {}
  for (const { collection, data, id, at } of found) {
    const { endpointKey, unique } = ENTITIES[collection]
    const name = endpointKey !== undefined && unique.includes(endpointKey) ? data[endpointKey] : undefined
    if (typeof name === 'string' && names.has(nameKey(collection, name))) {
      // Told at the top, also of an entity that stands beneath another.
      place(doubles, at.slice(-2), alreadyDeclared(collection, endpointKey ?? 'id', name))
      continue
    }
    if (typeof name === 'string') names.set(nameKey(collection, name), id)
    if (seen.has(nameKey(collection, id))) place(doubles, at, alreadyDeclared(collection, 'primary key', id))
    seen.add(nameKey(collection, id))
    if (!names.has(nameKey(collection, id))) names.set(nameKey(collection, id), id)
  }
  return { ids: names, doubles }
}

/** Other unique values that two entities share, such as the custom ids of consumers; told by the entity's name. */
export function sharedValues(found: readonly Named[]): Violations {
  const seen = new Set<string>()
  const shared: Violations = {}
  for (const { collection, data, label } of found) {
    const { endpointKey, unique } = ENTITIES[collection]
    for (const field of unique) {
      const value = data[field]
      if (field === endpointKey || typeof value !== 'string') continue
      const key = `${collection}/${field}/${value}`
      if (seen.has(key)) place(shared, [collection, label], alreadyDeclared(collection, field, value))
      seen.add(key)
    }
  }
  return shared
}

const alreadyDeclared = (collection: string, field: string, value: string): string =>
  `uniqueness violation: '${collection}' entity with ${field} set to '${value}' already declared`

/** References become ids; those that lead nowhere are taken out and told, by their field. */
export function resolveNames(
  { data: item, collection }: Named,
  schema: Schema,
  ids: ReadonlyMap<string, string>,
): { readonly data: Tree; readonly missing: ReadonlyMap<string, string> } {
  const data: Record<string, unknown> = { ...item }
  const missing = new Map<string, string>()
  const fields = schema.fieldsFor(data)
  for (const { field, to } of ENTITIES[collection].references) {
    const value = data[field]
    // A field that must be empty is refused for what it holds, and an object without an id for that.
    const isLeft = fields.get(field)?.spec.eq === null || (isObject(value) && value.id === undefined)
    if (value === undefined || value === null || isLeft) continue
    const id = ids.get(nameKey(to, String(isObject(value) ? value.id : value)))
    if (id === undefined) {
      delete data[field]
      const shown = typeof value === 'string' ? value : JSON.stringify(value)
      missing.set(field, `invalid reference '${field}: ${shown}' (no such entry in '${to}')`)
    } else data[field] = { id }
  }
  return { data, missing }
}
