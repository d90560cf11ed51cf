import {
  type BuiltCheck,
  buildChecks,
  type CheckMode,
  checkTransformations,
  runChecks,
  type Update,
} from './checks.ts'
import type { AutoValues, BuildOptions, Context, Field, ForeignSchema, SchemaLookup } from './field.ts'
import {
  buildFieldSet,
  buildRecord,
  checkFields,
  checkRequired,
  checkShorthands,
  type FieldSet,
  fillFields,
  mergeFields,
  withDeprecatedFields,
} from './record.ts'
import {
  isEmptyTable,
  isObject,
  type SchemaSpec,
  unknownItems,
  type Violation,
  type Violations,
} from './spec.ts'

type Row = Readonly<Record<string, unknown>>

/** A schema of an entity, ready for use. */
export interface Schema extends ForeignSchema {
  readonly spec: SchemaSpec
  /** The subschemas by the value of `subschema_key`. */
  readonly subschemas: ReadonlyMap<string, SchemaSpec>
  /** The fields that rule for this entity, which may choose a subschema. */
  fieldsFor(data: Row): ReadonlyMap<string, Field>
  /** Replaces shorthands, and fills in automatic values and defaults (not for `update`). Does not change `data`. */
  fill(data: Row, context: Context, auto?: AutoValues): Record<string, unknown>
  /** What is wrong with shorthand fields, before they are replaced. */
  checkShorthands(data: Row): Violations | undefined
  /** A filled entity with the deprecated fields that Kong's answers still hold (`redis_host`). */
  withDeprecated(data: Row): Record<string, unknown>
  /** What is wrong with a filled entity, or nothing. With `update`, `data` is what comes of it. */
  check(data: Row, mode?: CheckMode, update?: Update): Violations | undefined
  /** `top` over `bottom`, records field by field. */
  merge(top: Row, bottom: Row): Record<string, unknown>
}

/** The fields and checks that rule for an entity: those of the schema, or with those of a subschema over them. */
interface Variant extends FieldSet {
  readonly checks: readonly BuiltCheck[]
}

/**
 * Builds the schema of an entity.
 *
 * @param subschemas for instance the plugins by name; their fields take the place of those of the same name. Each is
 * built when it is first needed.
 * @param schemas the schemas that foreign fields refer to; asked when a value is checked, not before.
 */
export function createSchema(
  spec: SchemaSpec,
  subschemas: Readonly<Record<string, SchemaSpec>> = {},
  schemas?: SchemaLookup,
): Schema {
  const options: BuildOptions = { buildRecord, recordsRequired: true, ...(schemas && { schemas }) }
  const known = new Map(Object.entries(subschemas))
  const { base, of } = createVariants(spec, known, options)

  const check: Schema['check'] = (data, mode = { full: true, updating: false }, update) => {
    const unknown = spec.subschema_key === undefined ? undefined : checkSubschemaKey(spec, data, known)
    if (unknown) return unknown
    const { fields, checks } = of(data)
    const violations = checkFields(data, name =>
      spec.ttl === true && name === 'ttl' ? UNCHECKED : fields.get(name),
    )
    checkRequired(data, fields, mode.full, violations)
    runChecks(checks, data, mode, violations)
    checkTransformations(spec.transformations ?? [], data, update, violations)
    return Object.keys(violations).length > 0 ? violations : undefined
  }

  return {
    spec,
    subschemas: known,
    fieldsFor: data => of(data).fields,
    fill: (data, context, auto) => fillFields(of(data), data, context, auto),
    checkShorthands: data => checkShorthands(of(data), data),
    withDeprecated: data => withDeprecatedFields(of(data), data),
    check,
    merge: (top, bottom) => mergeFields(of(bottom).fields, top, bottom),
    checkPrimaryKey: value => checkPrimaryKey(base.fields.get('id'), value, check),
  }
}

function createVariants(
  spec: SchemaSpec,
  subschemas: ReadonlyMap<string, SchemaSpec>,
  options: BuildOptions,
) {
  const set = buildFieldSet(spec, options)
  const base: Variant = { ...set, checks: buildChecks(spec.entity_checks ?? [], set.fields, options) }
  const built = new Map<string, Variant>()
  const of = (data: Row): Variant => {
    const key = subschemaKey(spec, data, subschemas)
    if (key === undefined) return base
    const subschema = subschemas.get(key)
    const variant = built.get(key) ?? (subschema ? variantOf(subschema, base, options) : base)
    built.set(key, variant)
    return variant
  }
  return { base, of }
}

function variantOf(spec: SchemaSpec, base: Variant, options: BuildOptions): Variant {
  const own = buildFieldSet(spec, options).fields
  const fields = new Map([...base.fields].map(([name, field]) => [name, own.get(name) ?? field]))
  const checks = [...base.checks, ...buildChecks(spec.entity_checks ?? [], fields, options)]
  return { fields, shorthands: base.shorthands, checks }
}

const UNCHECKED: Pick<Field, 'check'> = { check: () => undefined }

/** The value that chooses a subschema; of several the first that has one. */
function subschemaKey(
  spec: SchemaSpec,
  data: Row,
  subschemas: ReadonlyMap<string, SchemaSpec>,
): string | undefined {
  const value = spec.subschema_key === undefined ? undefined : data[spec.subschema_key]
  const keys: readonly unknown[] = Array.isArray(value) ? value : [value]
  return keys.find((key): key is string => typeof key === 'string' && subschemas.has(key))
}

function checkSubschemaKey(
  spec: SchemaSpec,
  data: Row,
  subschemas: ReadonlyMap<string, SchemaSpec>,
): Violations | undefined {
  const { subschema_key: name = '', subschema_error = 'unknown type: %s' } = spec
  const key = data[name]
  if (key === undefined || key === null) return { [name]: 'required field missing' }
  if (subschemaKey(spec, data, subschemas) !== undefined) return undefined
  const shown = String((Array.isArray(key) ? key[0] : key) ?? 'nil')
  return { [name]: subschema_error.replace('%s', shown) }
}

function checkPrimaryKey(
  field: Field | undefined,
  value: unknown,
  check: Schema['check'],
): Violation | undefined {
  const unknown = unknownItems(value)
  if (unknown) return unknown
  const id = isObject(value) ? value.id : undefined
  const wrong = id === undefined || id === false ? 'missing primary key' : field?.check(id ?? null)
  if (id === null) return { id: 'required field missing' }
  if (wrong === undefined) return undefined
  // A reference by other fields is checked as a part of the entity that it means.
  const part = isObject(value) ? value : isEmptyTable(value) ? {} : undefined
  return (part && check(part, { full: false, updating: false })) || { id: wrong }
}
