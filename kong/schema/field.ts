import {
  type FieldSpec,
  isEmptyTable,
  isObject,
  isVaultReference,
  unknownItems,
  type Violation,
  type Violations,
} from './spec.ts'
import { checkType, checkValue } from './validators.ts'

type Row = Readonly<Record<string, unknown>>

/**
 * What is being done: `update` leaves absent fields absent, the others fill them in; `select` reads what is stored,
 * and gives required fields that are null their defaults.
 */
export type Context = 'insert' | 'upsert' | 'update' | 'select'

/** Where automatic values come from. Without it they are left out. */
export interface AutoValues {
  uuid(): string
  randomString(): string
  /** Milliseconds since the epoch. */
  now(): number
}

/** Gives the schema of another entity, for foreign fields; undefined where it is not known. */
export type SchemaLookup = (name: string) => ForeignSchema | undefined

export interface ForeignSchema {
  checkPrimaryKey(value: unknown): Violation | undefined
}

export interface BuildOptions {
  readonly schemas?: SchemaLookup
  /**
   * Makes nested records required unless they say `required: false`, so that their defaults show: Kong does so for
   * entities and for the configuration of plugins.
   */
  readonly recordsRequired?: boolean
  readonly buildRecord: (spec: FieldSpec, options: BuildOptions) => RecordSchema
}

/** The schemas of what stands within a field. */
interface Parts {
  readonly elements?: Field
  readonly keys?: Field
  readonly values?: Field
  readonly record?: RecordSchema
}

/** One field of a schema: fills in what is missing and says what is wrong. */
export interface Field extends Parts {
  readonly spec: FieldSpec
  fill(value: unknown, context: Context, auto: AutoValues | undefined): unknown
  check(value: unknown): Violation | undefined
  /** What is wrong with the shorthand fields of the records within. */
  checkShorthands(value: unknown): Violations | undefined
  /** The value with the deprecated shorthand fields of the records within. */
  withDeprecated(value: unknown): unknown
  merge(top: unknown, bottom: unknown): unknown
}

/** A record within an entity, or the common part of an entity's schema. */
export interface RecordSchema {
  /** In the order of the schema. */
  readonly fields: ReadonlyMap<string, Field>
  /** Fields that stand for others. */
  readonly shorthands: ReadonlyMap<string, Field>
  fill(data: Row, context: Context, auto: AutoValues | undefined): Record<string, unknown>
  check(data: Row): Violation | undefined
  checkShorthands(data: Row): Violations | undefined
  withDeprecated(data: Row): Record<string, unknown>
  merge(top: Row, bottom: Row): Record<string, unknown>
}

export function buildField(given: FieldSpec, options: BuildOptions): Field {
  const spec: FieldSpec =
    given.type === 'record' && given.required === undefined && options.recordsRequired
      ? { ...given, required: true }
      : given
  const parts = buildParts(spec, options)
  return {
    spec,
    ...parts,
    fill: (value, context, auto) => fillField(spec, parts, value, { context, auto }),
    check: value => checkField(spec, parts, value, options.schemas),
    checkShorthands: value => firstWithin(parts, value, (record, data) => record.checkShorthands(data)),
    withDeprecated: value => mapWithin(parts, value, (record, data) => record.withDeprecated(data)),
    merge(top, bottom) {
      if (top === undefined) return bottom
      return parts.record && isObject(top) ? parts.record.merge(top, isObject(bottom) ? bottom : {}) : top
    },
  }
}

function buildParts(spec: FieldSpec, options: BuildOptions): Parts {
  // Only records within records inherit being required: not the elements of arrays and maps.
  const build = (part: FieldSpec) =>
    buildField({ ...part, required: true }, { ...options, recordsRequired: false })
  return {
    ...(spec.elements && { elements: build(spec.elements) }),
    ...(spec.keys && { keys: build(spec.keys) }),
    ...(spec.values && { values: build(spec.values) }),
    ...(spec.type === 'record' && spec.fields && { record: options.buildRecord(spec, options) }),
  }
}

interface Filling {
  readonly context: Context
  readonly auto: AutoValues | undefined
}

function fillField(spec: FieldSpec, parts: Parts, given: unknown, filling: Filling): unknown {
  const { context } = filling
  const isUnset = context === 'select' && given === null && spec.required === true
  const value = isUnset ? missingValue(spec, parts, filling.auto) : given
  if (spec.abstract) return value
  if (parts.record) return fillRecord(spec, parts.record, value, filling)
  const { elements, values } = parts
  if (elements && Array.isArray(value)) {
    const items = spec.type === 'set' ? [...new Set(value)] : value
    return items.map(item => elements.fill(item, context, filling.auto))
  }
  if (elements && isEmptyTable(value)) return []
  if (values && isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([k, v]) => [k, values.fill(v, context, filling.auto)]),
    )
  if (values && isEmptyTable(value)) return {}
  return value === undefined && context !== 'update' ? missingValue(spec, parts, filling.auto) : value
}

function fillRecord(
  spec: FieldSpec,
  record: RecordSchema,
  given: unknown,
  { context, auto }: Filling,
): unknown {
  // To Lua `false` is as good as nothing.
  const value = given === false ? undefined : given
  if (given === undefined && context === 'update') return undefined
  if (value === undefined && spec.required !== true) return missingValue(spec, {}, auto)
  const start = value === undefined ? missingValue(spec, { record }, auto) : value
  if (isObject(start)) return record.fill(start, context, auto)
  return isEmptyTable(start) ? record.fill({}, context, auto) : start
}

function missingValue(spec: FieldSpec, { record }: Parts, auto: AutoValues | undefined): unknown {
  if (spec.default !== undefined) return structuredClone(spec.default)
  if (!spec.required) return null
  return record ? record.fill({}, 'insert', auto) : undefined
}

function checkField(
  spec: FieldSpec,
  parts: Parts,
  value: unknown,
  schemas: SchemaLookup | undefined,
): Violation | undefined {
  if (value === null) return checkNull(spec)
  if (spec.eq === null) return spec.err ?? 'value must be null'
  if (spec.abstract) return 'error in schema definition: abstract field was not specialized'
  const wrong = checkType(value, spec.type) ?? checkParts(spec, parts, value)
  if (wrong !== undefined) return wrong
  if (spec.type === 'foreign') return schemas?.(spec.reference!)?.checkPrimaryKey(value)
  if (spec.referenceable && isVaultReference(value)) return undefined
  return checkValue(value, spec)
}

function checkParts(
  spec: FieldSpec,
  { elements, keys, values, record }: Parts,
  value: unknown,
): Violation | undefined {
  if (elements && Array.isArray(value)) {
    const wrong = value.map(item => elements.check(item) ?? null)
    // Elements that are fine behind the last wrong one are not listed.
    const last = wrong.findLastIndex(item => item !== null)
    if (last >= 0) return wrong.slice(0, last + 1)
  }
  if (spec.type === 'map')
    for (const [key, item] of entriesOfMap(value)) {
      const wrong = keys?.check(key) ?? values?.check(item)
      if (wrong !== undefined) return wrong
    }
  if (!record) return undefined
  return unknownItems(value) ?? record.check(record.fill(isObject(value) ? value : {}, 'insert', undefined))
}

/** A list is a map to Lua, too, whose keys are numbers. */
const entriesOfMap = (value: unknown): readonly (readonly [key: unknown, item: unknown])[] =>
  Array.isArray(value) ? value.map((item, i) => [i + 1, item]) : Object.entries(value as object)

function checkNull(spec: FieldSpec): string | undefined {
  if (spec.ne === null) return spec.err ?? 'value must not be null'
  if (spec.eq !== undefined && spec.eq !== null) return `value must be ${spec.eq}`
  return spec.required ? 'required field missing' : undefined
}

/** Asks the record, or the records in a list or map, until one has something to say. */
function firstWithin(
  { record, elements, values }: Parts,
  value: unknown,
  ask: (record: RecordSchema, data: Row) => Violations | undefined,
): Violations | undefined {
  if (record) return isObject(value) ? ask(record, value) : undefined
  const inner = elements ?? values
  if (!inner || typeof value !== 'object' || value === null) return undefined
  for (const item of Object.values(value)) {
    const found = firstWithin(inner, item, ask)
    if (found) return found
  }
  return undefined
}

/** Changes the record, or the records in a list or map. */
function mapWithin(
  { record, elements, values }: Parts,
  value: unknown,
  change: (record: RecordSchema, data: Row) => unknown,
): unknown {
  if (record) return isObject(value) ? change(record, value) : value
  if (elements && Array.isArray(value)) return value.map(item => mapWithin(elements, item, change))
  if (values && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, mapWithin(values, v, change)]))
  return value
}
