import { hashPassword } from '../../entities/basic-auth.ts'
import { COLLECTIONS, type Collection, type Entity } from '../../entities/entities.ts'
import { COLLECTION_INFO, type EntitySchemas } from '../../entities/schemas.ts'
import { formatTarget } from '../../entities/target.ts'
import type { AutoValues, Context } from '../../schema/field.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../../schema/spec.ts'
import {
  invalidOption,
  invalidPrimaryKey,
  invalidUnique,
  notFound,
  notFoundBy,
  primaryKeyViolation,
  schemaViolation,
  stillReferenced,
  uniqueViolation,
  unknownReference,
  unresolvedReferences,
  unsupported,
} from './errors.ts'
import { cutPage, type Page, type PageOptions } from './page.ts'
import { checkProtocolsMatch } from './protocols.ts'
import type { Lookup, State, Transaction } from './state.ts'
import type { Row } from './table.ts'

type Data = Readonly<Record<string, unknown>>

/** How an entity is named in a path: by its id, or by the field that stands for it. */
export type Key = { readonly id: string } | { readonly field: string; readonly value: string }

/** Reads and changes entities under the rules of their schemas. Every refusal is an EntityError. */
export interface EntityStore {
  readonly schemas: EntitySchemas
  /** Turns the text of a path into a key: a UUID is an id, anything else the collection's own field. */
  keyOf(collection: Collection, text: string): Key
  select(collection: Collection, key: Key): Row | undefined
  page(collection: Collection, options: PageOptions): Page
  insert(collection: Collection, data: Data): Row
  /** Changes the given fields; records are merged. */
  update(collection: Collection, key: Key, data: Data): Row
  /** Puts the entity as a whole in the place of the present one, or makes it. */
  upsert(collection: Collection, key: Key, data: Data): Row
  /** Deletes what is there, and what goes with it. */
  delete(collection: Collection, key: Key): void
  /** What is wrong with an entity, without storing it. */
  validate(collection: Collection, data: Data): void
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The longest time to live, seconds. */
const MAX_TTL = 100_000_000

/** What a gateway without a database says to writes. */
function refuseWrite(operation: string, collection: Collection, key?: Key): never {
  const by = key && 'field' in key ? ` by '${key.field}'` : ''
  throw unsupported(`cannot ${operation} '${collection}' entities${by} when not using a database`)
}

/**
 * @param options.readOnly checks writes as ever, but refuses them at last: the state comes from a declarative file.
 */
export function createEntityStore(
  state: State,
  schemas: EntitySchemas,
  auto: AutoValues,
  options: { readonly readOnly?: boolean } = {},
): EntityStore {
  const fill = (collection: Collection, data: Data, context: Context) => {
    const wrong = schemas[collection].checkShorthands(data)
    if (wrong) throw schemaViolation(wrong)
    return schemas[collection].fill(data, context, auto)
  }

  const select = (collection: Collection, key: Key, from: Lookup = state): Row | undefined => {
    if ('id' in key) {
      if (!UUID.test(key.id)) throw invalidPrimaryKey({ id: 'expected a valid UUID' })
      return from.get(collection, key.id) as Row | undefined
    }
    const wrong = schemas[collection].fieldsFor({}).get(key.field)?.check(key.value)
    if (wrong !== undefined) throw invalidUnique(key.field, String(wrong))
    return from.find(collection, key.field, key.value) as Row | undefined
  }

  const store: EntityStore = {
    schemas,

    keyOf(collection, text) {
      const field = COLLECTION_INFO[collection].endpointKey
      return field === undefined || UUID.test(text) ? { id: text } : { field, value: text }
    },

    select: (collection, key) => select(collection, key),

    page(collection, options) {
      const { scope } = options
      const rows = scope ? state.referring(collection, scope.field, scope.id) : state.list(collection)
      return cutPage(rows as unknown as readonly Row[], options)
    },

    insert(collection, given) {
      const { data, ttl } = takeTtl(schemas[collection], prepared(collection, given))
      checkProtocolsMatch(state, collection, data)
      const filled = fill(collection, data, 'insert')
      resolveReferences(state, schemas[collection], filled)
      const wrong = schemas[collection].check(filled)
      if (wrong) throw schemaViolation(wrong)
      if (options.readOnly) refuseWrite('create', collection)
      const row = finished(schemas[collection], filled, data, ttl ?? null)
      return state.transact(tx => {
        if (tx.get(collection, row.id)) throw primaryKeyViolation({ id: row.id })
        return write(tx, schemas, collection, row)
      })
    },

    update(collection, key, given) {
      const { data, ttl } = takeTtl(schemas[collection], prepared(collection, given))
      const present = select(collection, key)
      // Kong looks at the routes only when the plugin is named by its id.
      if ('id' in key && collection === 'plugins' && (data.protocols || data.service || data.route))
        checkProtocolsMatch(state, collection, {
          protocols: data.protocols ?? present?.protocols,
          service: data.service ?? present?.service,
          route: data.route ?? present?.route,
        })
      const changes = fill(collection, data, 'update')
      if (!present) throw 'id' in key ? notFound({ id: key.id }) : notFoundBy({ [key.field]: key.value })
      const { ttl: _left, ...bottom } = present
      const merged = schemas[collection].merge(changes, bottom)
      resolveReferences(state, schemas[collection], merged)
      const wrong = schemas[collection].check(
        merged,
        { full: false, updating: true },
        { given: data, present },
      )
      if (wrong) throw schemaViolation(wrong)
      if (options.readOnly) refuseWrite('update', collection, key)
      const row = { ...finished(schemas[collection], merged, data, ttl), id: present.id }
      return state.transact(tx => write(tx, schemas, collection, row))
    },

    upsert(collection, key, given) {
      const { data, ttl } = takeTtl(schemas[collection], prepared(collection, given))
      if ('id' in key) checkProtocolsMatch(state, collection, data)
      const present = select(collection, key)
      const filled = fill(collection, data, 'upsert')
      if ('field' in key) filled[key.field] = key.value
      resolveReferences(state, schemas[collection], filled)
      const wrong = schemas[collection].check(filled)
      if (wrong) throw schemaViolation(wrong)
      if (options.readOnly) refuseWrite('create or update', collection, key)
      const id = present?.id ?? ('id' in key ? key.id : (filled.id as string))
      const row = { ...finished(schemas[collection], filled, data, ttl ?? null), id }
      return state.transact(tx => write(tx, schemas, collection, row))
    },

    delete(collection, key) {
      const row = select(collection, key)
      if (row && options.readOnly) refuseWrite('remove', collection, key)
      if (row) state.transact(tx => remove(tx, schemas, collection, row.id))
    },

    validate(collection, data) {
      const wrong = schemas[collection].check(fill(collection, data, 'insert'))
      if (wrong) throw schemaViolation(wrong)
    },
  }
  return store
}

/** A target is stored with its port. */
function prepared(collection: Collection, data: Data): Data {
  if (collection !== 'targets' || typeof data.target !== 'string') return data
  const target = formatTarget(data.target)
  if (target === undefined)
    throw schemaViolation({ target: 'Invalid target; not a valid hostname or ip address' })
  return { ...data, target }
}

function takeTtl(schema: Schema, given: Data): { data: Data; ttl: number | undefined } {
  if (!schema.spec.ttl) return { data: given, ttl: undefined }
  const { ttl, ...data } = given
  if (ttl === undefined || ttl === null) return { data, ttl: undefined }
  if (!Number.isInteger(ttl) || (ttl as number) < 0 || (ttl as number) > MAX_TTL)
    throw invalidOption('ttl', `must be an integer between 0 and ${MAX_TTL}`)
  return { data, ttl: ttl as number }
}

/** References by a name become references by id. Changes `data`. */
function resolveReferences(from: Lookup, schema: Schema, data: Record<string, unknown>): void {
  const unresolved: Record<string, { parent: string; values: Record<string, unknown> }> = {}
  for (const [name, field] of schema.fieldsFor(data)) {
    const value = data[name]
    const parent = field.spec.reference as Collection | undefined
    if (!parent || !isObject(value) || typeof value.id === 'string' || !(parent in COLLECTION_INFO)) continue
    for (const unique of COLLECTION_INFO[parent].unique) {
      const wanted = value[unique]
      if (typeof wanted !== 'string') continue
      const found = from.find(parent, unique, wanted)
      if (found) {
        data[name] = { id: found.id }
        delete unresolved[name]
        break
      }
      unresolved[name] ??= { parent, values: {} }
      unresolved[name].values[unique] = wanted
    }
  }
  if (Object.keys(unresolved).length > 0) throw unresolvedReferences(unresolved)
}

/** The entity as it is stored: its schema's fields only, null where unset, references by id, passwords hashed. */
export function finished(schema: Schema, data: Data, given: Data, ttl: unknown): Row {
  const row: Record<string, unknown> = {}
  for (const [name, field] of schema.fieldsFor(data)) {
    const value = data[name] ?? null
    row[name] = field.spec.type === 'foreign' && isObject(value) ? { id: value.id } : value
  }
  if (schema.spec.ttl && ttl !== undefined) row.ttl = ttl === 0 ? null : ttl
  if (schema.spec.name === 'basicauth_credentials' && typeof given.password === 'string')
    row.password = hashPassword(given.password, (row.consumer as { id: string }).id)
  // Kong fills in once more what it reads: defaults within defaults, and what one field says about another.
  return schema.fill(row, 'insert') as Row
}

function write(tx: Transaction, schemas: EntitySchemas, collection: Collection, row: Row): Row {
  const { unique, uniqueTogether } = COLLECTION_INFO[collection]
  for (const field of unique) {
    const value = row[field]
    const other = typeof value === 'string' ? tx.find(collection, field, value) : undefined
    if (other && other.id !== row.id) throw uniqueViolation({ [field]: value })
  }
  if (uniqueTogether && hasTwin(tx, collection, row, uniqueTogether))
    throw uniqueViolation(Object.fromEntries(uniqueTogether.map(field => [field, row[field]])))
  for (const [field, parent, id] of references(schemas, collection, row))
    if (!(parent in COLLECTION_INFO) || !tx.get(parent as Collection, id))
      throw unknownReference(field, { id }, parent)
  tx.put(collection, row as unknown as Entity)
  return tx.get(collection, row.id) as unknown as Row
}

function references(
  schemas: EntitySchemas,
  collection: Collection,
  row: Row,
): (readonly [field: string, parent: string, id: string])[] {
  return [...schemas[collection].fieldsFor(row)].flatMap(([field, { spec }]) => {
    const value = row[field]
    return spec.type === 'foreign' && isObject(value)
      ? [[field, spec.reference!, value.id as string] as const]
      : []
  })
}

const identity = (value: unknown): unknown => (isObject(value) ? value.id : value)

/** Whether another row has the same values in all of `fields`. */
function hasTwin(tx: Transaction, collection: Collection, row: Row, fields: readonly string[]): boolean {
  const parent = fields.find(field => isObject(row[field]))
  const candidates = parent
    ? tx.referring(collection, parent, (row[parent] as { id: string }).id)
    : tx.list(collection)
  return candidates.some(
    other =>
      other.id !== row.id &&
      fields.every(field => identity((other as unknown as Row)[field]) === identity(row[field])),
  )
}

/** Deletes a row and all that goes with it; refuses while something else refers to it. */
function remove(tx: Transaction, schemas: EntitySchemas, collection: Collection, id: string): void {
  for (const child of COLLECTIONS) {
    for (const [field, { spec }] of schemas[child].fieldsFor({})) {
      if (spec.reference !== collection) continue
      const children = tx.referring(child, field, id)
      if (children.length === 0) continue
      if (spec.on_delete !== 'cascade') throw stillReferenced(collection, child)
      for (const row of children) remove(tx, schemas, child, row.id)
    }
  }
  tx.delete(collection, id)
}
