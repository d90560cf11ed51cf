import { isUuid } from '../../../foundation/uuid.ts'
import { type Collection, ENTITIES } from '../../entities/entities.ts'
import type { EntitySchemas } from '../../entities/schemas.ts'
import type { AutoValues, Context } from '../../schema/field.ts'
import {
  invalidPrimaryKey,
  invalidUnique,
  notFound,
  notFoundBy,
  primaryKeyViolation,
  schemaViolation,
  unsupported,
} from './errors.ts'
import type { Key } from './key.ts'
import { cutPage, type Page, type PageOptions } from './page.ts'
import { checkProtocolsMatch } from './protocols.ts'
import { resolveReferences } from './references.ts'
import { storedRow, takeTtl } from './row.ts'
import type { Lookup, State } from './state.ts'
import type { Row } from './table.ts'
import { removeRow, writeRow } from './write.ts'

type Data = Readonly<Record<string, unknown>>

/** Reads and changes entities under the rules of their schemas. Every refusal is an EntityError. */
export interface EntityStore {
  readonly schemas: EntitySchemas
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

export interface StoreOptions {
  readonly state: State
  readonly schemas: EntitySchemas
  readonly auto: AutoValues
  /** Checks writes as ever, but refuses them at last: the state comes from a declarative file. */
  readonly readOnly?: boolean
}

export function createEntityStore(options: StoreOptions): EntityStore {
  const { state, schemas } = options
  const shown = (collection: Collection, row: Row) => answered(schemas, collection, row)
  return {
    schemas,
    select(collection, key) {
      const row = find(options, collection, key)
      return row && shown(collection, row)
    },
    page(collection, pageOptions) {
      const { scope } = pageOptions
      const rows = scope ? state.referring(collection, scope.field, scope.id) : state.list(collection)
      const page = cutPage(rows, { ...pageOptions, looksAhead: !options.readOnly })
      return { ...page, data: page.data.map(row => shown(collection, row)) }
    },
    insert: (collection, data) => shown(collection, insert(options, collection, data)),
    update: (collection, key, data) => shown(collection, update(options, collection, key, data)),
    upsert: (collection, key, data) => shown(collection, upsert(options, collection, key, data)),
    delete(collection, key) {
      const row = find(options, collection, key)
      if (row && options.readOnly) refuseWrite('remove', collection, key)
      if (row) state.transact(tx => removeRow(tx, collection, row.id))
    },
    validate(collection, data) {
      const wrong = schemas[collection].check(fill(options, collection, data, 'insert'))
      if (wrong) throw schemaViolation(wrong)
    },
  }
}

/** A row as Kong answers it: plugins show deprecated fields, too. */
export const answered = (schemas: EntitySchemas, collection: Collection, row: Row): Row =>
  collection === 'plugins' ? { ...schemas.plugins.withDeprecated(row), id: row.id } : row

function find({ state, schemas }: StoreOptions, collection: Collection, key: Key): Row | undefined {
  const from: Lookup = state
  if ('id' in key) {
    if (!isUuid(key.id)) throw invalidPrimaryKey({ id: 'expected a valid UUID' })
    return from.get(collection, key.id)
  }
  const wrong = schemas[collection].fieldsFor({}).get(key.field)?.check(key.value)
  if (wrong !== undefined) throw invalidUnique(key.field, String(wrong))
  return from.find(collection, key.field, key.value)
}

/** What is stored in another form than it was given. */
function prepare(collection: Collection, data: Data): Data {
  const prepared = ENTITIES[collection].prepare?.(data) ?? data
  if ('refused' in prepared) throw schemaViolation(prepared.refused as Record<string, string>)
  return prepared
}

function fill({ schemas, auto }: StoreOptions, collection: Collection, data: Data, context: Context) {
  const wrong = schemas[collection].checkShorthands(data)
  if (wrong) throw schemaViolation(wrong)
  return schemas[collection].fill(data, context, auto)
}

function insert(options: StoreOptions, collection: Collection, given: Data): Row {
  const { state, schemas, auto } = options
  const { data, ttl } = takeTtl(schemas[collection], prepare(collection, given))
  checkProtocolsMatch(state, collection, data)
  const filled = fill(options, collection, data, 'insert')
  resolveReferences(state, collection, filled)
  const wrong = schemas[collection].check(filled)
  if (wrong) throw schemaViolation(wrong)
  if (options.readOnly) refuseWrite('create', collection)
  const row = storedRow(collection, schemas[collection], { filled, given: data, ttl: ttl ?? null }, auto)
  return state.transact(tx => {
    if (tx.get(collection, row.id)) throw primaryKeyViolation({ id: row.id })
    return writeRow(tx, collection, row)
  })
}

function update(options: StoreOptions, collection: Collection, key: Key, given: Data): Row {
  const { state, schemas, auto } = options
  const { data, ttl } = takeTtl(schemas[collection], prepare(collection, given))
  const present = find(options, collection, key)
  // Kong looks at the routes only when the plugin is named by its id.
  if ('id' in key && collection === 'plugins' && (data.protocols || data.service || data.route))
    checkProtocolsMatch(state, collection, { ...present, ...data })
  const changes = fill(options, collection, data, 'update')
  if (!present) throw 'id' in key ? notFound({ id: key.id }) : notFoundBy({ [key.field]: key.value })
  const { ttl: _left, ...bottom } = present
  const filled = schemas[collection].merge(changes, bottom)
  resolveReferences(state, collection, filled)
  const wrong = schemas[collection].check(filled, { full: false, updating: true }, { given: data, present })
  if (wrong) throw schemaViolation(wrong)
  if (options.readOnly) refuseWrite('update', collection, key)
  const row = storedRow(collection, schemas[collection], { filled, given: data, ttl }, auto)
  return state.transact(tx => writeRow(tx, collection, { ...row, id: present.id }))
}

function upsert(options: StoreOptions, collection: Collection, key: Key, given: Data): Row {
  const { state, schemas, auto } = options
  const { data, ttl } = takeTtl(schemas[collection], prepare(collection, given))
  if ('id' in key) checkProtocolsMatch(state, collection, data)
  const present = find(options, collection, key)
  const filled = fill(options, collection, data, 'upsert')
  if ('field' in key) filled[key.field] = key.value
  resolveReferences(state, collection, filled)
  const wrong = schemas[collection].check(filled)
  if (wrong) throw schemaViolation(wrong)
  if (options.readOnly) refuseWrite('create or update', collection, key)
  const row = storedRow(collection, schemas[collection], { filled, given: data, ttl: ttl ?? null }, auto)
  const id = present?.id ?? ('id' in key ? key.id : row.id)
  return state.transact(tx => writeRow(tx, collection, { ...row, id }))
}

/** What a gateway without a database says to writes. */
function refuseWrite(operation: string, collection: Collection, key?: Key): never {
  const by = key && 'field' in key ? ` by '${key.field}'` : ''
  throw unsupported(`cannot ${operation} '${collection}' entities${by} when not using a database`)
}
