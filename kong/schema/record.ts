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
  entryOf,
  type FieldSpec,
  isObject,
  type SchemaSpec,
  type ShorthandSpec,
  type Violations,
} from './spec.ts'

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

export function buildRecord(spec: FieldSpec, options: BuildOptions): RecordSchema {
  const fields = buildFields({ fields: spec.fields ?? [] }, options)
  const checks: readonly BuiltCheck[] = buildChecks(spec.entity_checks ?? [], fields, options)
  return {
    fields,
    fill: (data, context, auto) => fillFields(fields, spec.shorthand_fields ?? [], data, context, auto),
    check(data) {
      const violations = checkFields(data, name => fields.get(name))
      checkRequired(data, fields, true, violations)
      runChecks(checks, data, { full: true, updating: false }, violations)
      return Object.keys(violations).length > 0 ? violations : undefined
    },
    merge: (top, bottom) => mergeFields(fields, top, bottom),
  }
}

/** Replaces shorthand fields by those that they stand for. */
function expandShorthands(
  shorthands: readonly Readonly<Record<string, ShorthandSpec>>[],
  data: Row,
): Record<string, unknown> {
  const out: Record<string, unknown> = { ...data }
  for (const shorthand of shorthands) {
    const [name, spec] = entryOf(shorthand) as [string, ShorthandSpec]
    const value = out[name]
    if (value === undefined || !spec.func) continue
    delete out[name]
    const values = spec.func(value as never) ?? {}
    for (const [field, part] of Object.entries(values))
      out[field] = isObject(part) && isObject(out[field]) ? { ...out[field], ...part } : part
  }
  return out
}

/** Replaces shorthand fields by those that they stand for, then fills in automatic values and defaults. */
export function fillFields(
  fields: ReadonlyMap<string, Field>,
  shorthands: readonly Readonly<Record<string, ShorthandSpec>>[],
  data: Row,
  context: Context,
  auto: AutoValues | undefined,
): Record<string, unknown> {
  const out = expandShorthands(shorthands, data)
  for (const [name, field] of fields) {
    let value = out[name]
    if (auto && field.spec.auto) value = automatic(name, field.spec, value, context, auto)
    value = field.fill(value, context, auto)
    if (value !== undefined) out[name] = value
  }
  return out
}

function automatic(
  name: string,
  spec: FieldSpec,
  value: unknown,
  context: Context,
  auto: AutoValues,
): unknown {
  const creating = context !== 'update'
  if (spec.uuid) return creating && value === undefined ? auto.uuid() : value
  if (spec.type === 'string') return creating && value === undefined ? auto.randomString() : value
  const now = spec.type === 'integer' ? Math.floor(auto.now() / 1000) : auto.now() / 1000
  if (name === 'created_at') return creating && (value === undefined || value === null) ? now : value
  if (name === 'updated_at') return now
  return value
}

/** Fields that are not checked, since the gateway itself sets them. */
const UNCHECKED = new Set(['updated_at'])

export function checkFields(data: Row, fieldOf: (name: string) => Field | undefined): Violations {
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
