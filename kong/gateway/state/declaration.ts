import { createHash } from 'node:crypto'
import { parse, stringify } from 'yaml'
import type { AutoValues } from '../../schema/field.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject, type Violation, type Violations } from '../../schema/spec.ts'
import { COLLECTIONS, type Collection, type Entity } from '../entities/entities.ts'
import { COLLECTION_INFO, type EntitySchemas } from '../entities/schemas.ts'
import { invalidDeclaration } from './errors.ts'
import { stableId } from './stable-id.ts'
import type { Lookup, State } from './state.ts'
import { finished, type Row } from './store.ts'

type Tree = Record<string, unknown>

/** A declarative configuration, taken apart. */
export interface Declaration {
  readonly entities: ReadonlyMap<Collection, readonly Row[]>
  /** Of its text, in hex: tells whether it is the one in force. */
  readonly hash: string
}

/**
 * Reads JSON or YAML.
 *
 * @throws EntityError with Kong's code 14.
 */
export function parseDeclaration(text: string): Tree {
  let reason = 'expected an object'
  try {
    const tree: unknown = parse(text)
    if (isObject(tree)) return tree
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error)
  }
  throw invalidDeclaration({ error: `failed parsing declarative configuration: ${reason}` })
}

export const hashOf = (text: string): string => createHash('md5').update(text).digest('hex')

/** Nothing is loaded yet. */
export const EMPTY_HASH = '0'.repeat(32)

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
export function readDeclaration(
  tree: Tree,
  schemas: EntitySchemas,
  auto: AutoValues,
  hash?: string,
): Declaration {
  const wrong: Violations = checkTop(tree)
  const found: Found[] = []
  collect(tree, schemas, auto, found, undefined, [])
  const byName = indexNames(found, wrong)
  const entities = new Map<Collection, Row[]>()
  const unresolved: Record<string, Record<string, string[]>> = {}
  for (const entry of found) {
    const row = readEntity(entry, tree._transform !== false, schemas, auto, byName, wrong, unresolved)
    entities.set(entry.collection, [...(entities.get(entry.collection) ?? []), row])
  }
  if (Object.keys(wrong).length > 0) throw invalidDeclaration(wrong)
  if (Object.keys(unresolved).length > 0) throw invalidDeclaration(unresolved)
  return { entities, hash: hash ?? hashOf(JSON.stringify(tree)) }
}

/** Puts a configuration in the place of the whole state. */
export function loadDeclaration(state: State, declaration: Declaration): void {
  state.transact(tx => {
    for (const collection of COLLECTIONS) for (const { id } of tx.list(collection)) tx.delete(collection, id)
    for (const [collection, rows] of declaration.entities)
      for (const row of rows) tx.put(collection, row as unknown as Entity)
  })
}

/** The state as a declarative file in Kong's form: flat, references by id. */
export function writeDeclaration(lookup: Lookup): string {
  const tree: Tree = { _format_version: '3.0', _transform: false }
  for (const collection of COLLECTIONS) {
    const rows = lookup.list(collection) as unknown as readonly Row[]
    if (rows.length > 0) tree[collection] = rows.map(row => flat(row))
  }
  return stringify(tree, { nullStr: '~' })
}

const flat = (row: Row): Tree =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, isReference(value) ? value.id : value]),
  )

const isReference = (value: unknown): value is { id: string } =>
  isObject(value) && typeof value.id === 'string' && Object.keys(value).length === 1

function checkTop(tree: Tree): Violations {
  const wrong: Violations = {}
  const version = tree._format_version
  if (version === undefined || version === null) wrong._format_version = 'required field missing'
  else if (!['1.1', '2.1', '3.0'].includes(String(version)))
    wrong._format_version = 'expected one of: 1.1, 2.1, 3.0'
  for (const [name, value] of Object.entries(tree)) {
    if (['_format_version', '_transform', '_comment', '_ignore'].includes(name)) continue
    if (!(name in COLLECTION_INFO)) wrong[name] = 'unknown field'
    else if (value !== null && !Array.isArray(value)) wrong[name] = 'expected an array'
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

/** Ids by collection and name, or by collection and id; what is declared twice is told. */
function indexNames(found: readonly Found[], wrong: Violations): Names {
  const names = new Map<string, string>()
  for (const { collection, item, id, at } of found) {
    for (const field of COLLECTION_INFO[collection].unique) {
      const value = item[field]
      if (typeof value !== 'string') continue
      const key = `${collection}/${field}/${value}`
      if (names.has(key)) {
        place(wrong, at, alreadyDeclared(collection, field, value))
        continue
      }
      names.set(key, id)
      if (field === COLLECTION_INFO[collection].endpointKey) names.set(nameKey(collection, value), id)
    }
    const idKey = `${collection}#${id}`
    if (names.has(idKey) && violationAt(wrong, at) === undefined)
      place(wrong, at, alreadyDeclared(collection, 'primary key', id))
    names.set(idKey, id)
    if (!names.has(nameKey(collection, id))) names.set(nameKey(collection, id), id)
  }
  return names
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
  unresolved: Record<string, Record<string, string[]>>,
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
    unresolved[collection] ??= {}
    unresolved[collection][owner] = [...missing.values()]
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

/** What stands at a place of the error tree. */
function violationAt(tree: Violations, at: readonly (string | number)[]): unknown {
  return at.reduce<unknown>(
    (node, key) => (typeof node === 'object' && node !== null ? (node as Tree)[key] : undefined),
    tree,
  )
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
