/**
 * Schemas in the form that Kong's Admin API gives them (`GET /schemas/…`) and that a plugin server's dump holds:
 * fields as a list of single-key objects, so that their order is kept.
 */

export type FieldType =
  | 'string'
  | 'number'
  | 'integer'
  | 'boolean'
  | 'array'
  | 'set'
  | 'map'
  | 'record'
  | 'foreign'
  | 'json'
  | 'any'

export interface PatternRule {
  readonly pattern: string
  readonly err: string
}

/** Why a value is refused, or nothing when it is fine. */
export type CustomValidator = (value: never) => string | undefined

export interface FieldSpec {
  readonly type?: FieldType
  readonly description?: string
  readonly required?: boolean
  readonly default?: unknown
  /** Filled in by the gateway: ids, times, random keys. */
  readonly auto?: boolean
  readonly unique?: boolean
  readonly uuid?: boolean
  readonly timestamp?: boolean
  /** Takes its real definition from a subschema. */
  readonly abstract?: boolean
  readonly immutable?: boolean
  /** Given and answered, but not stored: the SNIs of a certificate. */
  readonly transient?: boolean
  readonly deprecation?: Deprecation
  readonly referenceable?: boolean
  readonly encrypted?: boolean
  /** Said instead of a validator's own message. */
  readonly err?: string
  readonly eq?: unknown
  readonly ne?: unknown
  readonly gt?: number
  readonly between?: readonly [number, number]
  readonly len_eq?: number
  readonly len_min?: number
  readonly len_max?: number
  /** Lua patterns, here and below. */
  readonly match?: string
  readonly not_match?: string
  readonly match_all?: readonly PatternRule[]
  readonly match_none?: readonly PatternRule[]
  readonly match_any?: { readonly patterns: readonly string[]; readonly err?: string }
  readonly starts_with?: string
  readonly one_of?: readonly unknown[]
  readonly not_one_of?: readonly unknown[]
  readonly contains?: unknown
  readonly is_regex?: boolean
  readonly mutually_exclusive_subsets?: readonly (readonly string[])[]
  readonly custom_validator?: CustomValidator
  readonly elements?: FieldSpec
  readonly keys?: FieldSpec
  readonly values?: FieldSpec
  readonly fields?: readonly NamedField[]
  readonly entity_checks?: readonly EntityCheck[]
  readonly shorthand_fields?: readonly Readonly<Record<string, ShorthandSpec>>[]
  /** Of a foreign field: the schema that it refers to, and what becomes of it when that one is deleted. */
  readonly reference?: string
  readonly on_delete?: 'cascade' | 'null'
}

/** One field: `{ port: { type: 'integer' } }`. */
export type NamedField = Readonly<Record<string, FieldSpec>>

/** A field that stands for others, such as a service's `url`. */
export interface ShorthandSpec extends FieldSpec {
  /** The fields it stands for; nothing when it says nothing. Absent where `deprecation` says it. */
  readonly func?: (value: never) => Readonly<Record<string, unknown>> | undefined
}

export interface Deprecation {
  readonly message: string
  readonly removal_in_version?: string
  /** Where the value of a shorthand field stands today, from the record that has the shorthand. */
  readonly replaced_with?: readonly { readonly path: readonly string[] }[]
}

/** One rule over several fields: `{ at_least_one_of: ['custom_id', 'username'] }`. */
export type EntityCheck = Readonly<Record<string, unknown>>

/** Names of fields, or paths such as `consumer.id`. */
export interface Transformation {
  readonly input: readonly string[]
  readonly needs: readonly string[]
}

export interface SchemaSpec {
  readonly name?: string
  readonly fields: readonly NamedField[]
  readonly entity_checks?: readonly EntityCheck[]
  readonly shorthand_fields?: readonly Readonly<Record<string, ShorthandSpec>>[]
  /** What is stored in another form than it was given, and what is asked for to make it. */
  readonly transformations?: readonly Transformation[]
  /** The field whose value chooses a subschema; of several values the first that has one. */
  readonly subschema_key?: string
  /** `%s` is the value that has no subschema. */
  readonly subschema_error?: string
  /** Entities have a time to live. */
  readonly ttl?: boolean
}

/** The name and the definition of a named field. */
export function entryOf(field: NamedField): readonly [name: string, spec: FieldSpec] {
  const entry = Object.entries(field)[0]
  if (!entry) throw new TypeError('a field of a schema has no name')
  return entry
}

/**
 * What is wrong with a value: a sentence, or for arrays and records what is wrong with their parts. The elements of
 * an array that are fine are null.
 */
export type Violation = string | readonly (Violation | null)[] | { readonly [field: string]: Violation }

export type Violations = Record<string, Violation>

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A reference to a secret in a vault, such as `{vault://env/my-secret}`. */
export const isVaultReference = (value: unknown): boolean =>
  typeof value === 'string' && /^\{vault:\/\/.+\}$/.test(value)

/** A list in the place of a record: to Lua a table whose fields are numbers. */
export const unknownItems = (value: unknown): Violation | undefined =>
  Array.isArray(value) && value.length > 0 ? value.map(() => 'unknown field') : undefined

/** Lua knows one empty table, so an empty list may stand for an empty record and the other way round. */
export const isEmptyTable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0
