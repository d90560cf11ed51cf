import { type Collection, ENTITIES } from '../../entities/entities.ts'
import type { AutoValues } from '../../schema/field.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../../schema/spec.ts'
import { invalidOption } from './errors.ts'
import type { Row } from './table.ts'

type Data = Readonly<Record<string, unknown>>

/** The longest time to live, seconds. */
const MAX_TTL = 100_000_000

export interface TimedData {
  readonly data: Data
  /** Seconds; undefined where none was given. */
  readonly ttl: number | undefined
}

/** Takes the time to live out of a body, where the collection knows one. */
export function takeTtl(schema: Schema, given: Data): TimedData {
  if (!schema.spec.ttl) return { data: given, ttl: undefined }
  const { ttl, ...data } = given
  if (ttl === undefined || ttl === null) return { data, ttl: undefined }
  if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl < 0 || ttl > MAX_TTL)
    throw invalidOption('ttl', `must be an integer between 0 and ${MAX_TTL}`)
  return { data, ttl }
}

/**
 * The entity as it is stored: its schema's fields only, null where unset, references by id, passwords hashed.
 *
 * @param filled the data that the schema has filled in and checked
 * @param given the fields of the request, which tell what was given anew
 * @param ttl undefined leaves the field out
 */
export function storedRow(
  collection: Collection,
  schema: Schema,
  {
    filled,
    given,
    ttl,
  }: { readonly filled: Data; readonly given: Data; readonly ttl: number | null | undefined },
  auto: AutoValues,
): Row {
  const row: Record<string, unknown> = {}
  for (const [name, { spec }] of schema.fieldsFor(filled)) {
    const value = spec.transient ? null : (filled[name] ?? null)
    row[name] = spec.type === 'foreign' && isObject(value) ? { id: value.id } : value
  }
  if (schema.spec.ttl && ttl !== undefined) row.ttl = ttl === 0 ? null : ttl
  const { transform } = ENTITIES[collection]
  // Kong fills in once more what it reads: defaults within defaults, and what one field says about another.
  const complete = schema.fill(transform ? transform(row, given, auto) : row, 'select')
  return { ...complete, id: String(complete.id) }
}
