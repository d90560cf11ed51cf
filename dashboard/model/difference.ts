import { type FieldSchema, isObject, type Json, namedFields } from './schema.ts'

/** Two JSON values are the same; the order of an object's keys does not count. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => isSame(item, b[i]))
  if (!isObject(a) || !isObject(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  )
}

/**
 * What a PATCH has to hold so that `before` becomes `after`: records field by field, everything else whole, null for
 * what is gone. Kong merges records in the same way.
 */
export function patchOf(schema: FieldSchema, before: Json, after: Json): Json {
  const schemas = new Map(namedFields(schema.fields))
  const patch: Record<string, unknown> = {}
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [from, to] = [before[name], after[name]]
    if (isSame(from ?? null, to ?? null)) continue
    const field = schemas.get(name)
    const isMerged = field?.type === 'record' && field.fields && isObject(from) && isObject(to)
    patch[name] = isMerged ? patchOf(field, from, to) : (to ?? null)
  }
  return patch
}

/** A value without what its schema does not know: deprecated fields that Kong derives from others. */
export function knownPart(schema: FieldSchema, value: unknown): unknown {
  if (schema.type !== 'record' || !schema.fields || !isObject(value)) return value
  const known = namedFields(schema.fields).filter(([name]) => Object.hasOwn(value, name))
  return Object.fromEntries(known.map(([name, field]) => [name, knownPart(field, value[name])]))
}

/** One leaf that differs. */
export interface Difference {
  /** As people write it: `config.limits.0.requests`. */
  readonly path: string
  /** Undefined: it is not there. */
  readonly before: unknown
  readonly after: unknown
}

/** Everything in which two values differ, leaf by leaf. Lists of scalars are compared as a whole. */
export function differences(before: unknown, after: unknown, path = ''): readonly Difference[] {
  if (isSame(before, after)) return []
  const below = (name: string | number) => (path === '' ? String(name) : `${path}.${name}`)
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].flatMap(name => differences(before[name], after[name], below(name)))
  }
  if (isListOfObjects(before) && isListOfObjects(after))
    return Array.from({ length: Math.max(before.length, after.length) }, (_, i) =>
      differences(before[i], after[i], below(i)),
    ).flat()
  if ((before ?? null) === null && isObject(after)) return differences({}, after, path)
  if ((after ?? null) === null && isObject(before)) return differences(before, {}, path)
  return [{ path, before, after }]
}

const isListOfObjects = (value: unknown): value is readonly Json[] =>
  Array.isArray(value) && value.length > 0 && value.every(isObject)

/** What becomes of a value by a patch of `patchOf`. */
export function withPatch(schema: FieldSchema, value: Json, patch: Json): Json {
  const schemas = new Map(namedFields(schema.fields))
  const merged: Record<string, unknown> = { ...value }
  for (const [name, to] of Object.entries(patch)) {
    const field = schemas.get(name)
    const from = value[name]
    const isMerged = field?.type === 'record' && field.fields && isObject(from) && isObject(to)
    merged[name] = isMerged ? withPatch(field, from, to) : to
  }
  return merged
}
