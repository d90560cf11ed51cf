import {
  type BuiltCheck,
  buildChecks,
  type CheckMode,
  checkTransformations,
  runChecks,
  type Update,
} from './checks.ts'
import type { AutoValues, BuildOptions, Context, Field, ForeignSchema, SchemaLookup } from './field.ts'
import { buildFields, buildRecord, checkFields, checkRequired, fillFields, mergeFields } from './record.ts'
import { isObject, type SchemaSpec, type Violation, type Violations } from './spec.ts'

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
  /** What is wrong with a filled entity, or nothing. With `update`, `data` is what comes of it. */
  check(data: Row, mode?: CheckMode, update?: Update): Violations | undefined
  /** `top` over `bottom`, records field by field. */
  merge(top: Row, bottom: Row): Record<string, unknown>
}

interface Variant {
  readonly fields: ReadonlyMap<string, Field>
  readonly checks: readonly BuiltCheck[]
}

/**
 * Builds the schema of an entity.
 *
 * @param subschemas for instance the plugins by name; their fields take the place of those of the same name.
 * @param schemas the schemas that foreign fields refer to; asked when a value is checked, not before.
 */
export function createSchema(
  spec: SchemaSpec,
  subschemas: Readonly<Record<string, SchemaSpec>> = {},
  schemas?: SchemaLookup,
): Schema {
  const options: BuildOptions = { buildRecord, recordsRequired: true, ...(schemas && { schemas }) }
  const base: Variant = variantOf(spec, new Map(), options)
  const variants = new Map(
    Object.entries(subschemas).map(([key, sub]) => [key, variantOf(sub, base.fields, options, base.checks)]),
  )

  const variantKey = (data: Row): string | undefined => {
    const value = spec.subschema_key === undefined ? undefined : data[spec.subschema_key]
    const keys = Array.isArray(value) ? value : [value]
    return keys.find(key => typeof key === 'string' && variants.has(key))
  }
  const variant = (data: Row): Variant => variants.get(variantKey(data) ?? '') ?? base

  const schema: Schema = {
    spec,
    subschemas: new Map(Object.entries(subschemas)),
    fieldsFor: data => variant(data).fields,
    fill: (data, context, auto) =>
      fillFields(variant(data).fields, spec.shorthand_fields ?? [], data, context, auto),
    checkShorthands(data) {
      const fields = buildFields({ fields: spec.shorthand_fields ?? [] }, options)
      const given = Object.fromEntries([...fields.keys()].map(name => [name, data[name]]))
      const violations = checkFields(given, name => fields.get(name))
      return found(violations)
    },
    check(data, mode = { full: true, updating: false }, update) {
      if (spec.subschema_key !== undefined) {
        const unknown = checkSubschemaKey(spec, data, variantKey(data))
        if (unknown) return unknown
      }
      const { fields, checks } = variant(data)
      const skipsTtl = spec.ttl === true
      const violations = checkFields(data, name => (skipsTtl && name === 'ttl' ? ANYTHING : fields.get(name)))
      checkRequired(data, fields, mode.full, violations)
      runChecks(checks, data, mode, violations)
      checkTransformations(spec.transformations ?? [], data, update, violations)
      return found(violations)
    },
    merge: (top, bottom) => mergeFields(variant(bottom).fields, top, bottom),
    checkPrimaryKey(value): Violation | undefined {
      const id = isObject(value) ? value.id : undefined
      const wrong =
        id === undefined || id === false ? 'missing primary key' : base.fields.get('id')?.check(id ?? null)
      if (id === null) return { id: 'required field missing' }
      if (wrong === undefined) return undefined
      // A reference by other fields is checked as a part of the entity that it means.
      return (isObject(value) && schema.check(value, { full: false, updating: false })) || { id: wrong }
    },
  }
  return schema
}

function variantOf(
  spec: SchemaSpec,
  inherited: ReadonlyMap<string, Field>,
  options: BuildOptions,
  inheritedChecks: readonly BuiltCheck[] = [],
): Variant {
  const own = buildFields(spec, options)
  const fields = new Map<string, Field>()
  for (const [name, field] of inherited) fields.set(name, own.get(name) ?? field)
  if (inherited.size === 0) for (const [name, field] of own) fields.set(name, field)
  return { fields, checks: [...inheritedChecks, ...buildChecks(spec.entity_checks ?? [], fields, options)] }
}

const ANYTHING = { check: () => undefined } as unknown as Field

function checkSubschemaKey(spec: SchemaSpec, data: Row, found: string | undefined): Violations | undefined {
  const key = data[spec.subschema_key!]
  if (key === undefined || key === null) return { [spec.subschema_key!]: 'required field missing' }
  if (found !== undefined) return undefined
  const shown = String((Array.isArray(key) ? key[0] : key) ?? 'nil')
  return { [spec.subschema_key!]: (spec.subschema_error ?? 'unknown type: %s').replace('%s', shown) }
}

const found = (violations: Violations): Violations | undefined =>
  Object.keys(violations).length > 0 ? violations : undefined
