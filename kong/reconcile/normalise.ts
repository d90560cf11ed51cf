import { createCanonicalJson } from '../../foundation/canonical-json.ts'
import type { Field } from '../schema/field.ts'
import type { Schema } from '../schema/schema.ts'
import { shorthandEntries } from '../schema/shorthand.ts'
import { type FieldSpec, isObject, type SchemaSpec } from '../schema/spec.ts'
import type { Row } from './change.ts'
import type { Path } from './files/problem.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'
import type { Schemas } from './schemas.ts'
import { expandRecord } from './shorthand.ts'

/** Set by Kong: different at each creation, or computed from other fields. */
const KONGS_OWN = new Set(['id', 'created_at', 'updated_at', 'cert_digest'])

/** Fields of an entity that are compared, in the order of Kong's schema. */
export function comparedFields(kind: Kind, schema: Schema, row: Row): ReadonlyMap<string, Field> {
  const skipped = (name: string) => KONGS_OWN.has(name) || kind.writeOnly?.includes(name)
  return new Map([...schema.fieldsFor(row)].filter(([name]) => !skipped(name)))
}

/** An entity as Kong reports it, with only what is compared. */
export function normaliseCurrent(kind: KindName, row: Row, schemas: Schemas): Row {
  const schema = schemas.of(kind)
  if (!schema) return row
  const filled = schema.fill(expand(row, schema), 'insert')
  return pick(filled, comparedFields(KINDS[kind], schema, row))
}

/** A declared entity in three forms. */
export interface Completed {
  /** Typed. */
  readonly given: Row
  /** With its shorthands replaced, as it is sent. */
  readonly sent: Row
  /** With defaults filled in. */
  readonly filled: Row
}

/**
 * A declared entity as Kong would hold it: shorthands replaced, defaults filled in.
 *
 * @param isText whether the value at a path came from the environment, so that its type is the schema's to choose.
 */
export function normaliseDeclared(
  kind: KindName,
  row: Row,
  schemas: Schemas,
  isText: (path: Path) => boolean,
): Completed {
  const schema = schemas.of(kind)
  if (!schema) return { given: row, sent: row, filled: row }
  const fields = schema.fieldsFor(row)
  const given = Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const spec = fields.get(name) ?? shorthandOf(schema.spec, name)
      return [name, typed(value, spec, [name], isText)]
    }),
  )
  const prepared = KINDS[kind].prepare?.(given) ?? given
  // The check reports what cannot be prepared.
  const sent = expand('refused' in prepared ? given : prepared, schema)
  // Kong reads defaults like given values: without anything to hash on, the algorithm is round-robin.
  return { given, sent, filled: schema.fill(schema.fill(sent, 'insert'), 'insert') }
}

/** Replaces shorthands, those of the configuration that the name chooses included. */
export function expand(row: Row, schema: Schema): Row {
  const expanded = expandRecord(row, schema.spec)
  const config = schema.fieldsFor(row).get('config')?.spec
  if (!config || !isObject(expanded.config)) return expanded
  return { ...expanded, config: expandRecord(expanded.config, config) }
}

const pick = (row: Row, fields: ReadonlyMap<string, unknown>): Row =>
  Object.fromEntries([...fields.keys()].map(name => [name, row[name] ?? null]))

const YAML_BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['yes', 'Yes', 'YES', 'on', 'On', 'ON'].map(text => [text, true] as const),
  ...['no', 'No', 'NO', 'off', 'Off', 'OFF'].map(text => [text, false] as const),
])

type Typed = Pick<Field, 'spec'> & Partial<Pick<Field, 'elements' | 'record' | 'values'>>

/** A deprecated or shorthand field of a record: it has a type, too. */
const shorthandOf = (spec: FieldSpec | SchemaSpec, name: string): Typed | undefined => {
  const entry = shorthandEntries(spec.shorthand_fields).find(([own]) => own === name)
  return entry && { spec: entry[1] }
}

/** Gives a text from the environment the type that the schema asks for. */
function typed(
  value: unknown,
  field: Typed | undefined,
  path: Path,
  isText: (path: Path) => boolean,
): unknown {
  if (!field) return value
  if (Array.isArray(value)) return value.map((item, i) => typed(item, field.elements, [...path, i], isText))
  if (isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        typed(
          item,
          field.record?.fields.get(name) ?? shorthandOf(field.spec, name) ?? field.values,
          [...path, name],
          isText,
        ),
      ]),
    )
  if (typeof value !== 'string') return value
  // Go and Lua read YAML 1.1, to which a bare `yes` is a boolean.
  if (field.spec.type === 'boolean' && YAML_BOOLEANS.has(value)) return YAML_BOOLEANS.get(value)
  if (!isText(path)) return value
  switch (field.spec.type) {
    case 'integer':
    case 'number':
      return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
    default:
      return value
  }
}

/** Whether two values mean the same to Kong: the order of a set and of a map's keys does not count. */
export function isSame(a: unknown, b: unknown, field: Field | undefined): boolean {
  if (a === b || ((a ?? null) === null && (b ?? null) === null)) return true
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return false
    if (field?.spec.type !== 'set') return a.every((item, i) => isSame(item, b[i], field?.elements))
    const [left, right] = [a, b].map(list => list.map(canonical).sort())
    return left!.every((item, i) => item === right![i])
  }
  if (isObject(a) && isObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)])
    return [...names].every(name =>
      isSame(a[name], b[name], field?.record?.fields.get(name) ?? field?.values),
    )
  }
  // Lua has one empty table for lists and maps.
  return isEmpty(a) && isEmpty(b)
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0

/** JSON with sorted keys and without nulls. */
export const canonical = createCanonicalJson({ skipNull: true })
