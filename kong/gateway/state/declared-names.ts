import { type Collection, ENTITIES, isCollection } from '../../entities/entities.ts'
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
  item: Tree,
  collection: Collection,
  ids: ReadonlyMap<string, string>,
): { readonly data: Tree; readonly missing: ReadonlyMap<string, string> } {
  const data: Record<string, unknown> = { ...item }
  const missing = new Map<string, string>()
  for (const { field, to } of ENTITIES[collection].references) {
    const value = data[field]
    if (value === undefined || value === null) continue
    const key = isObject(value) ? (value.id ?? nameIn(value, to)) : value
    const id = ids.get(nameKey(to, String(key)))
    if (id === undefined) {
      delete data[field]
      const shown = typeof value === 'string' ? value : JSON.stringify(value)
      missing.set(field, `invalid reference '${field}: ${shown}' (no such entry in '${to}')`)
    } else data[field] = { id }
  }
  return { data, missing }
}

function nameIn(value: Tree, to: string): unknown {
  const endpointKey = isCollection(to) ? ENTITIES[to].endpointKey : undefined
  return endpointKey === undefined ? undefined : value[endpointKey]
}
