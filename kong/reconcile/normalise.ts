import { createCanonicalJson } from '../../foundation/canonical-json.ts'
import type { Field } from '../schema/field.ts'
import type { Schema } from '../schema/schema.ts'
import { isObject } from '../schema/spec.ts'
import type { Path } from './files/source.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'
import type { Schemas } from './schemas.ts'
import { expandUrl, formatTarget, replaceDeprecated } from './shorthand.ts'

type Row = Readonly<Record<string, unknown>>

/** Set by Kong, and different at each creation. */
const KONGS_OWN = new Set(['id', 'created_at', 'updated_at'])

/** Fields of an entity that are compared, in the order of Kong's schema. */
export function comparedFields(kind: Kind, schema: Schema, row: Row): ReadonlyMap<string, Field> {
  const skipped = (name: string) => KONGS_OWN.has(name) || kind.writeOnly?.includes(name)
  return new Map([...schema.fieldsFor(row)].filter(([name]) => !skipped(name)))
}

/** An entity as Kong reports it, with only what is compared. */
export function normaliseCurrent(kind: KindName, row: Row, schemas: Schemas): Row {
  const schema = schemas.of(kind)
  if (!schema) return row
  const filled = schema.fill(withoutDeprecated(kind, row, schema), 'insert')
  return pick(filled, comparedFields(KINDS[kind], schema, row))
}

/** A declared entity, typed and with its shorthands replaced: as it is sent, and with defaults filled in. */
export interface Completed {
  readonly filled: Row
  readonly sent: Row
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
  if (!schema) return { filled: row, sent: row }
  const plain = withoutDeprecated(kind, expand(kind, row), schema)
  const fields = schema.fieldsFor(plain)
  const sent = Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [name, typed(value, fields.get(name), [name], isText)]),
  )
  return { filled: schema.fill(sent, 'insert'), sent }
}

function expand(kind: KindName, row: Row): Row {
  if (kind === 'targets' && typeof row.target === 'string')
    return { ...row, target: formatTarget(row.target) }
  // Its published schema does not tell: only consistent hashing hashes, so Kong chooses it by itself.
  if (kind === 'upstreams' && row.algorithm === undefined && typeof row.hash_on === 'string')
    return row.hash_on === 'none' ? row : { ...row, algorithm: 'consistent-hashing' }
  if (kind !== 'services' || typeof row.url !== 'string') return row
  const { url, ...rest } = row
  const parts = expandUrl(url as string)
  return parts ? { ...rest, ...parts } : row
}

function withoutDeprecated(kind: KindName, row: Row, schema: Schema): Row {
  if (kind !== 'plugins' || !isObject(row.config)) return row
  const config = schema.fieldsFor(row).get('config')?.spec
  return config ? { ...row, config: replaceDeprecated(row.config, config) } : row
}

const pick = (row: Row, fields: ReadonlyMap<string, unknown>): Row =>
  Object.fromEntries([...fields.keys()].map(name => [name, row[name] ?? null]))

/** Gives a text from the environment the type that the schema asks for. */
function typed(
  value: unknown,
  field: Field | undefined,
  path: Path,
  isText: (path: Path) => boolean,
): unknown {
  if (!field) return value
  if (Array.isArray(value)) return value.map((item, i) => typed(item, field.elements, [...path, i], isText))
  if (isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        typed(item, field.record?.fields.get(name) ?? field.values, [...path, name], isText),
      ]),
    )
  if (typeof value !== 'string' || !isText(path)) return value
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

const canonical = createCanonicalJson({ skipNull: true })
