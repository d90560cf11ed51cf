/** A field of Kong's schemas, as far as forms look at it. */
export interface FieldSchema {
  readonly type?: string
  readonly description?: string
  readonly required?: boolean
  readonly default?: unknown
  /** Filled in by Kong: ids and times. */
  readonly auto?: boolean
  readonly eq?: unknown
  readonly one_of?: readonly unknown[]
  readonly between?: readonly [number, number]
  readonly gt?: number
  readonly len_min?: number
  readonly encrypted?: boolean
  /** May hold a reference to a vault: `{vault://env/name}`. */
  readonly referenceable?: boolean
  readonly elements?: FieldSchema
  readonly keys?: FieldSchema
  readonly values?: FieldSchema
  readonly fields?: readonly NamedField[]
  /** Of a foreign field: the collection that it refers to. */
  readonly reference?: string
  readonly immutable?: boolean
}

/** One field: `{ "port": { "type": "integer" } }`. */
export type NamedField = Readonly<Record<string, FieldSchema>>

/** The schema of an entity or of a plugin. */
export interface EntitySchema {
  readonly fields: readonly NamedField[]
}

export type Json = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Name and schema of each field, in the order of the schema. */
export const namedFields = (
  fields: readonly NamedField[] = [],
): readonly (readonly [string, FieldSchema])[] => fields.flatMap(field => Object.entries(field))

/** The mask that stands for a secret; sent back, it means "unchanged". */
export const MASK = '[masked]'

const FILLED_IN_BY_KONG: ReadonlySet<string> = new Set(['id', 'created_at', 'updated_at'])

/** The fields of an entity that a person fills in, with the configuration that a plugin's own schema describes. */
export function entityFields(kind: EntitySchema, plugin?: EntitySchema): FieldSchema {
  const own = new Map(namedFields(plugin?.fields))
  const fields = namedFields(kind.fields)
    .filter(([name]) => !FILLED_IN_BY_KONG.has(name))
    // A plugin that cannot be of a consumer says so by a field that must be null.
    .filter(([name]) => own.get(name)?.eq !== null)
    .map(([name, schema]) => ({ [name]: own.get(name) ?? schema }))
  return { type: 'record', required: true, fields }
}
