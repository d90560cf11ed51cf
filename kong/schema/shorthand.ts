import { isDeepStrictEqual } from 'node:util'
import type { Field } from './field.ts'
import { type Deprecation, entryOf, isObject, type ShorthandSpec, type Violations } from './spec.ts'

type Row = Readonly<Record<string, unknown>>

/** Shorthand fields by name: `url` of a service, `redis_host` of rate-limiting. */
export type Shorthands = ReadonlyMap<string, Field & { readonly spec: ShorthandSpec }>

export const shorthandEntries = (
  shorthands: readonly Readonly<Record<string, ShorthandSpec>>[] = [],
): readonly (readonly [name: string, spec: ShorthandSpec])[] => shorthands.map(field => entryOf(field))

/** Replaces shorthand fields by those that they stand for. */
export function expandShorthands(
  shorthands: ReadonlyMap<string, { readonly spec: ShorthandSpec }>,
  data: Row,
): Record<string, unknown> {
  const out: Record<string, unknown> = { ...data }
  for (const [name, { spec }] of shorthands) {
    const value = out[name]
    if (value === undefined) continue
    const standsFor = spec.func ?? atPaths(spec.deprecation)
    if (!standsFor) continue
    delete out[name]
    for (const [field, part] of Object.entries(standsFor(value as never) ?? {}))
      out[field] = joined(part, out[field], spec.deprecation !== undefined)
  }
  return out
}

/** Where a shorthand is deprecated, the field that replaces it has the last word. */
function joined(part: unknown, present: unknown, isDeprecated: boolean): unknown {
  if (!isObject(part)) return isDeprecated ? (present ?? part) : part
  // A list is no record, which its own check tells.
  if (Array.isArray(present) && present.length > 0) return present
  if (!isObject(present)) return part
  if (!isDeprecated) return { ...present, ...part }
  return { ...part, ...Object.fromEntries(Object.entries(present).filter(([, value]) => value !== null)) }
}

function atPaths(deprecation: Deprecation | undefined): ((value: unknown) => Row) | undefined {
  const paths = deprecation?.replaced_with
  if (!paths) return undefined
  return value =>
    Object.assign(
      {},
      ...paths.map(({ path }) => path.reduceRight<unknown>((v, name) => ({ [name]: v }), value)),
    )
}

/** What is wrong with the shorthand fields of one record, before they are replaced. */
export function shorthandViolations(shorthands: Shorthands, data: Row): Violations | undefined {
  const violations: Violations = {}
  let seen = data
  for (const [name, field] of shorthands) {
    const value = seen[name]
    if (value === undefined) continue
    const violation = field.check(value) ?? mismatch(name, value, field.spec.deprecation, data)
    if (violation !== undefined) violations[name] = violation
    // One may stand for another: `algorithm` of an upstream decides `hash_on`, whatever that was.
    else if (field.spec.func) seen = { ...seen, ...field.spec.func(value as never) }
  }
  return Object.keys(violations).length > 0 ? violations : undefined
}

/** The old field and the new one may both be given if they agree. */
function mismatch(
  name: string,
  value: unknown,
  deprecation: Deprecation | undefined,
  data: Row,
): string | undefined {
  for (const { path } of deprecation?.replaced_with ?? []) {
    // Kong itself breaks there: it answers 500.
    const blocking = path.slice(1).findIndex((_, i) => isBlocked(valueAt(data, path.slice(0, i + 1)), value))
    if (blocking >= 0)
      return `cannot be given beside ${path.slice(0, blocking + 1).join('.')}, which is no record`
    const replacement = valueAt(data, path)
    // To Lua `false` is as good as nothing.
    if (value === null || (replacement ?? false) === false || isDeepStrictEqual(replacement, value)) continue
    return `both deprecated and new field are used but their values mismatch: ${name} = ${value} vs ${path.join('.')} = ${replacement}`
  }
  return undefined
}

/** Whether there is something else where the record should be that holds the new field; nothing at all is fine. */
const isBlocked = (record: unknown, value: unknown): boolean =>
  value === null && (record === null || record === false)
    ? false
    : record !== undefined && (typeof record !== 'object' || record === null)

const valueAt = (data: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), data)

/** Adds the deprecated fields with the values of those that replace them: Kong's answers hold both. */
export function withDeprecated(shorthands: Shorthands, data: Row): Record<string, unknown> {
  const out: Record<string, unknown> = { ...data }
  for (const [name, { spec }] of shorthands) {
    const path = spec.deprecation?.replaced_with?.[0]?.path
    const value = path && valueAt(data, path)
    if (value !== undefined) out[name] = value
  }
  return out
}
