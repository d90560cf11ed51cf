import { type FieldSpec, isEmptyTable, isObject, type Violation } from './spec.ts'
import { checkType, checkValue } from './validators.ts'

type Row = Readonly<Record<string, unknown>>

/** What is being done: `update` leaves absent fields absent, the others fill them in. */
export type Context = 'insert' | 'upsert' | 'update'

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

/** One field of a schema: fills in what is missing and says what is wrong. */
export interface Field {
  readonly spec: FieldSpec
  readonly elements?: Field
  readonly values?: Field
  readonly record?: RecordSchema
  fill(value: unknown, context: Context, auto: AutoValues | undefined): unknown
  check(value: unknown): Violation | undefined
  merge(top: unknown, bottom: unknown): unknown
}

/** A record within an entity, or the common part of an entity's schema. */
export interface RecordSchema {
  /** In the order of the schema. */
  readonly fields: ReadonlyMap<string, Field>
  fill(data: Row, context: Context, auto: AutoValues | undefined): Record<string, unknown>
  check(data: Row): Violation | undefined
  merge(top: Row, bottom: Row): Record<string, unknown>
}

export function buildField(given: FieldSpec, options: BuildOptions): Field {
  const spec: FieldSpec =
    given.type === 'record' && given.required === undefined && options.recordsRequired
      ? { ...given, required: true }
      : given
  // Only records within records inherit being required: not the elements of arrays and maps.
  const inner = { ...options, recordsRequired: false }
  const elements = spec.elements && buildField({ ...spec.elements, required: true }, inner)
  const keys = spec.keys && buildField({ ...spec.keys, required: true }, inner)
  const values = spec.values && buildField({ ...spec.values, required: true }, inner)
  const record = spec.type === 'record' && spec.fields ? options.buildRecord(spec, options) : undefined

  const missing = (auto: AutoValues | undefined): unknown => {
    if (spec.default !== undefined) return structuredClone(spec.default)
    if (!spec.required) return null
    return record ? record.fill({}, 'insert', auto) : undefined
  }

  return {
    spec,
    ...(elements && { elements }),
    ...(values && { values }),
    ...(record && { record }),

    fill(value, context, auto) {
      if (spec.abstract) return value
      if (record) {
        const wanted =
          context === 'update' ? value !== undefined : value !== undefined || spec.required === true
        const start = value === undefined && wanted ? missing(auto) : value
        if (wanted && isObject(start)) return record.fill(start, context, auto)
        if (wanted && isEmptyTable(start)) return record.fill({}, context, auto)
        value = start
      } else if (elements && Array.isArray(value)) {
        const items = spec.type === 'set' ? [...new Set(value)] : value
        return items.map(item => elements.fill(item, context, auto))
      } else if (elements && isEmptyTable(value)) {
        return []
      } else if (values && isObject(value)) {
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, values.fill(v, context, auto)]))
      } else if (values && isEmptyTable(value)) {
        return {}
      }
      return value === undefined && context !== 'update' ? missing(auto) : value
    },

    check(value) {
      if (value === null) return checkNull(spec)
      if (spec.eq === null) return spec.err ?? 'value must be null'
      if (spec.abstract) return 'error in schema definition: abstract field was not specialized'
      const wrongType = checkType(value, spec.type)
      if (wrongType !== undefined) return wrongType
      if (elements) {
        const wrong = (value as unknown[]).map(item => elements.check(item) ?? null)
        // Elements that are fine behind the last wrong one are not listed.
        const last = wrong.findLastIndex(item => item !== null)
        if (last >= 0) return wrong.slice(0, last + 1)
      }
      if (spec.type === 'map') {
        for (const [key, item] of Object.entries(value as object)) {
          const wrong = keys?.check(key) ?? values?.check(item)
          if (wrong !== undefined) return wrong
        }
      }
      if (record) {
        const wrong = record.check(record.fill(isObject(value) ? value : {}, 'insert', undefined))
        if (wrong !== undefined) return wrong
      }
      if (spec.type === 'foreign') return options.schemas?.(spec.reference!)?.checkPrimaryKey(value)
      if (spec.referenceable && typeof value === 'string' && isReference(value)) return undefined
      return checkValue(value, spec)
    },

    merge(top, bottom) {
      if (top === undefined) return bottom
      return record && isObject(top) ? record.merge(top, isObject(bottom) ? bottom : {}) : top
    },
  }
}

function checkNull(spec: FieldSpec): string | undefined {
  if (spec.ne === null) return spec.err ?? 'value must not be null'
  if (spec.eq !== undefined && spec.eq !== null) return `value must be ${spec.eq}`
  return spec.required ? 'required field missing' : undefined
}

/** A reference to a vault, such as `{vault://env/my-secret}`. */
const isReference = (value: string): boolean => /^\{vault:\/\/.+\}$/.test(value)
