import { COLLECTIONS, type Collection } from '../../entities/entities.ts'
import { COLLECTION_INFO, type EntitySchemas } from '../../entities/schemas.ts'
import type { AutoValues } from '../../schema/field.ts'
import type { Schema } from '../../schema/schema.ts'
import { isEmptyTable, isObject, type Violation, type Violations } from '../../schema/spec.ts'
import { invalidDeclaration } from './errors.ts'
import { stableId } from './stable-id.ts'
import { finished } from './store.ts'
import type { Row } from './table.ts'

type Tree = Record<string, unknown>

interface Found {
  readonly collection: Collection
  readonly item: Tree
  readonly id: string
  /** Where it stands, for the errors: `['services', 0, 'routes', 1]`. */
  readonly at: readonly (string | number)[]
}

/**
 * Checks a configuration and makes entities of it. Entities may stand beneath the ones that they refer to, and refer
 * by id or by name.
 *
 * @throws EntityError with Kong's code 14 and all that is wrong.
 */
export function readEntities(
  tree: Tree,
  schemas: EntitySchemas,
  auto: AutoValues,
): ReadonlyMap<Collection, readonly Row[]> {
  const wrong: Violations = checkTop(tree)
  const found: Found[] = []
  collect(tree, schemas, auto, found, undefined, [])
  const { names, doubles } = indexNames(found)
  const entities = new Map<Collection, Row[]>()
  for (const entry of found) {
    const row = readEntity(entry, tree._transform !== false, schemas, auto, names, wrong, doubles)
    const rows = entities.get(entry.collection) ?? []
    rows.push(row)
    entities.set(entry.collection, rows)
  }
  // Kong looks for the later kinds of faults only once the earlier ones are mended.
  for (const faults of [wrong, doubles, sharedValues(found)])
    if (Object.keys(faults).length > 0) throw invalidDeclaration(faults)
  return entities
}

function checkTop(tree: Tree): Violations {
  const wrong: Violations = {}
  const { _format_version: version, _transform: transform } = tree
  if (version === undefined || version === null) wrong._format_version = 'required field missing'
  else if (typeof version !== 'string') wrong._format_version = 'expected a string'
  else if (!['1.1', '2.1', '3.0'].includes(version)) wrong._format_version = 'expected one of: 1.1, 2.1, 3.0'
  if (transform !== undefined && transform !== null && typeof transform !== 'boolean')
    wrong._transform = 'expected a boolean'
  for (const [name, value] of Object.entries(tree)) {
    if (['_format_version', '_transform', '_comment', '_ignore'].includes(name)) continue
    if (!(name in COLLECTION_INFO)) wrong[name] = 'unknown field'
    else if (value !== null && !Array.isArray(value) && !isEmptyTable(value))
      wrong[name] = 'expected an array'
  }
  return wrong
}

/** The field by which `child` refers to `parent`. */
function referenceField(schemas: EntitySchemas, child: Collection, parent: Collection): string | undefined {
  for (const [name, { spec }] of schemas[child].fieldsFor({})) if (spec.reference === parent) return name
  return undefined
}

/** Finds all entities, gives them ids, and takes those beneath others out of them. */
function collect(
  tree: Tree,
  schemas: EntitySchemas,
  auto: AutoValues,
  found: Found[],
  parent: Found | undefined,
  at: readonly (string | number)[],
): void {
  for (const collection of COLLECTIONS) {
    const items = tree[collection]
    const field = parent && referenceField(schemas, collection, parent.collection)
    if (!Array.isArray(items) || (parent && field === undefined)) continue
    items.forEach((item: unknown, i) => {
      const own: Tree = isObject(item) ? { ...item } : {}
      delete own._comment
      delete own._ignore
      const nested: Tree = {}
      for (const child of COLLECTIONS) {
        if (own[child] === undefined || referenceField(schemas, child, collection) === undefined) continue
        nested[child] = own[child]
        delete own[child]
      }
      const beneath = parent && field !== undefined ? { field, id: parent.id } : undefined
      const given = typeof own.id === 'string' ? own.id : undefined
      const id = given ?? stableId(collection, own, beneath) ?? auto.uuid()
      const entry = {
        collection,
        item: { ...own, id, ...(beneath && { [beneath.field]: { id: beneath.id } }) },
        id,
        at: [...at, collection, i],
      }
      found.push(entry)
      collect(nested, schemas, auto, found, entry, entry.at)
    })
  }
}

type Names = ReadonlyMap<string, string>

const nameKey = (collection: string, name: string): string => `${collection}/${name}`

/** Ids by collection and name, or by collection and id; and the names and ids that are declared twice. */
function indexNames(found: readonly Found[]): { names: Names; doubles: Violations } {
  const names = new Map<string, string>()
  const ids = new Set<string>()
  const doubles: Violations = {}
  for (const { collection, item, id, at } of found) {
    const { endpointKey, unique } = COLLECTION_INFO[collection]
    const name = endpointKey !== undefined && unique.includes(endpointKey) ? item[endpointKey] : undefined
    if (typeof name === 'string' && names.has(nameKey(collection, name))) {
      // Told at the top, also of an entity that stands beneath another.
      place(doubles, at.slice(-2), alreadyDeclared(collection, endpointKey!, name))
      continue
    }
    if (typeof name === 'string') names.set(nameKey(collection, name), id)
    if (ids.has(`${collection}/${id}`)) place(doubles, at, alreadyDeclared(collection, 'primary key', id))
    ids.add(`${collection}/${id}`)
    if (!names.has(nameKey(collection, id))) names.set(nameKey(collection, id), id)
  }
  return { names, doubles }
}

/** Other unique values that two entities share, such as the custom ids of consumers; told by the entity's name. */
function sharedValues(found: readonly Found[]): Violations {
  const seen = new Set<string>()
  const shared: Violations = {}
  for (const { collection, item, id } of found) {
    const { endpointKey, unique } = COLLECTION_INFO[collection]
    for (const field of unique) {
      const value = item[field]
      if (field === endpointKey || typeof value !== 'string') continue
      const key = `${collection}/${field}/${value}`
      const owner = String(item[endpointKey ?? 'id'] ?? id)
      if (seen.has(key)) place(shared, [collection, owner], alreadyDeclared(collection, field, value))
      seen.add(key)
    }
  }
  return shared
}

const alreadyDeclared = (collection: string, field: string, value: string): string =>
  `uniqueness violation: '${collection}' entity with ${field} set to '${value}' already declared`

function readEntity(
  { collection, item, id, at }: Found,
  transform: boolean,
  schemas: EntitySchemas,
  auto: AutoValues,
  names: Names,
  wrong: Violations,
  unresolved: Violations,
): Row {
  const schema = schemas[collection]
  const { data, missing } = resolve(item, schema, names)
  const filled = schema.fill(data, 'insert', auto)
  const violations = schema.checkShorthands(data) ?? schema.check(filled) ?? {}
  for (const name of missing.keys()) delete violations[name]
  if (Object.keys(violations).length > 0) {
    for (const name of missing.keys()) violations[name] = { id: 'missing primary key' }
    place(wrong, at, violations)
  } else if (missing.size > 0) {
    const owner = String(item[COLLECTION_INFO[collection].endpointKey ?? 'id'] ?? id)
    place(unresolved, [collection, owner], [...missing.values()])
  }
  return finished(schema, filled, transform ? data : {}, typeof data.ttl === 'number' ? data.ttl : null)
}

/** References become ids; those that lead nowhere are taken out and told, by their field. */
function resolve(item: Tree, schema: Schema, names: Names): { data: Tree; missing: Map<string, string> } {
  const data: Tree = { ...item }
  const missing = new Map<string, string>()
  for (const [name, { spec }] of schema.fieldsFor(data)) {
    const value = data[name]
    if (spec.type !== 'foreign' || value === undefined || value === null) continue
    const key = isObject(value) ? (value.id ?? value.name ?? value.username) : value
    const id = names.get(nameKey(spec.reference!, String(key)))
    if (id === undefined) {
      delete data[name]
      const shown = typeof value === 'string' ? value : JSON.stringify(value)
      missing.set(name, `invalid reference '${name}: ${shown}' (no such entry in '${spec.reference}')`)
    } else data[name] = { id }
  }
  return { data, missing }
}

/** Puts a violation into the error tree; lists have null for what is fine. */
function place(tree: Violations, at: readonly (string | number)[], violation: Violation): void {
  let node = tree as Tree
  for (const [i, key] of at.slice(0, -1).entries()) {
    const next = at[i + 1]
    const present = node[key]
    if (typeof present !== 'object' || present === null) node[key] = typeof next === 'number' ? [] : {}
    node = node[key] as Tree
  }
  const last = at.at(-1)!
  if (Array.isArray(node)) while (node.length < (last as number)) node.push(null)
  const present = node[last]
  node[last] = isObject(present) && isObject(violation) ? { ...present, ...violation } : violation
}
