import { type BuiltCheck, buildChecks, runChecks } from './checks.ts'
import {
  type AutoValues,
  type BuildOptions,
  buildField,
  type Context,
  type Field,
  type RecordSchema,
} from './field.ts'
import {
  expandShorthands,
  type Shorthands,
  shorthandEntries,
  shorthandViolations,
  withDeprecated,
} from './shorthand.ts'
import { entryOf, type FieldSpec, type SchemaSpec, type Violations } from './spec.ts'

type Row = Readonly<Record<string, unknown>>

/** Builds the fields of a schema by name. */
export function buildFields(spec: Pick<SchemaSpec, 'fields'>, options: BuildOptions): Map<string, Field> {
  return new Map(
    spec.fields.map(field => {
      const [name, fieldSpec] = entryOf(field)
      return [name, buildField(fieldSpec, options)]
    }),
  )
}

/** The fields of a record or an entity, with the shorthand fields beside them. */
export interface FieldSet {
  readonly fields: ReadonlyMap<string, Field>
  readonly shorthands: Shorthands
}

export function buildFieldSet(
  spec: Pick<SchemaSpec, 'fields' | 'shorthand_fields'>,
  options: BuildOptions,
): FieldSet {
  const shorthands = shorthandEntries(spec.shorthand_fields).map(
    ([name, shorthand]) => [name, { ...buildField(shorthand, options), spec: shorthand }] as const,
  )
  return { fields: buildFields(spec, options), shorthands: new Map(shorthands) }
}

export function buildRecord(spec: FieldSpec, options: BuildOptions): RecordSchema {
  const { fields = [], shorthand_fields = [] } = spec
  const set = buildFieldSet({ fields, shorthand_fields }, options)
  const checks: readonly BuiltCheck[] = buildChecks(spec.entity_checks ?? [], set.fields, options)
  return {
    ...set,
    fill: (data, context, auto) => fillFields(set, data, context, auto),
    check(data) {
      const violations = checkFields(data, name => set.fields.get(name))
      checkRequired(data, set.fields, true, violations)
      runChecks(checks, data, { full: true, updating: false }, violations)
      return Object.keys(violations).length > 0 ? violations : undefined
    },
    checkShorthands: data => checkShorthands(set, data),
    withDeprecated: data => withDeprecatedFields(set, data),
    merge: (top, bottom) => mergeFields(set.fields, top, bottom),
  }
}

/** Replaces shorthand fields by those that they stand for, then fills in automatic values and defaults. */
export function fillFields(
  { fields, shorthands }: FieldSet,
  data: Row,
  context: Context,
  auto: AutoValues | undefined,
): Record<string, unknown> {
  const out = expandShorthands(shorthands, data)
  for (const [name, field] of fields) {
    let value = out[name]
    if (auto && field.spec.auto) value = automatic({ name, spec: field.spec }, value, context, auto)
    value = field.fill(value, context, auto)
    if (value !== undefined) out[name] = value
  }
  return out
}

/** What is wrong with shorthand fields; Kong tells of the record that it comes to first, and not where it stands. */
export function checkShorthands({ fields, shorthands }: FieldSet, data: Row): Violations | undefined {
  const own = shorthandViolations(shorthands, data)
  if (own) return own
  const expanded = expandShorthands(shorthands, data)
  for (const [name, field] of fields) {
    const inner = field.checkShorthands(expanded[name])
    if (inner) return inner
  }
  return undefined
}

/** The data as Kong answers it: with deprecated fields beside those that replace them. */
export function withDeprecatedFields({ fields, shorthands }: FieldSet, data: Row): Record<string, unknown> {
  const out = withDeprecated(shorthands, data)
  for (const [name, field] of fields) if (out[name] !== undefined) out[name] = field.withDeprecated(out[name])
  return out
}

function automatic(
  { name, spec }: { readonly name: string; readonly spec: FieldSpec },
  value: unknown,
  context: Context,
  auto: AutoValues,
): unknown {
  const creating = context === 'insert' || context === 'upsert'
  if (spec.uuid) return creating && value === undefined ? auto.uuid() : value
  if (spec.type === 'string') return creating && value === undefined ? auto.randomString() : value
  const now = spec.type === 'integer' ? Math.floor(auto.now() / 1000) : auto.now() / 1000
  if (name === 'created_at') return creating && (value === undefined || value === null) ? now : value
  if (name === 'updated_at') return context === 'select' ? value : now
  return value
}

/** Fields that are not checked, since the gateway itself sets them. */
const UNCHECKED = new Set(['updated_at'])

export function checkFields(
  data: Row,
  fieldOf: (name: string) => Pick<Field, 'check'> | undefined,
): Violations {
  const violations: Violations = {}
  for (const [name, value] of Object.entries(data)) {
    if (UNCHECKED.has(name) || value === undefined) continue
    const field = fieldOf(name)
    const violation = field ? field.check(value) : 'unknown field'
    if (violation !== undefined) violations[name] = violation
  }
  return violations
}

export function checkRequired(
  data: Row,
  fields: ReadonlyMap<string, Field>,
  full: boolean,
  violations: Violations,
): void {
  for (const [name, { spec }] of fields)
    if (spec.required && (data[name] === null || (full && data[name] === undefined)))
      violations[name] = 'required field missing'
}

/** `top` over `bottom`, records field by field, arrays and maps as a whole. */
export function mergeFields(
  fields: ReadonlyMap<string, Field>,
  top: Row,
  bottom: Row,
): Record<string, unknown> {
  const out: Record<string, unknown> = { ...bottom, ...top }
  for (const [name, field] of fields) {
    const value = field.merge(top[name], bottom[name])
    if (value !== undefined) out[name] = value
  }
  return out
}
