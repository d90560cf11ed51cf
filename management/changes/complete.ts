import { hashPassword } from '../../kong/entities/basic-auth.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { expectedFields, flattenViolations, type Mistake } from '../../kong/reconcile/expected.ts'
import type { Kind } from '../../kong/reconcile/kinds.ts'
import { comparedFields, expand } from '../../kong/reconcile/normalise.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { AutoValues } from '../../kong/schema/field.ts'
import type { Schema } from '../../kong/schema/schema.ts'
import { isObject, type Violation } from '../../kong/schema/spec.ts'

/** An entity as it is asked for. */
export interface Completed {
  /** What is sent to Kong to make it, or what is changed of it; shorthands replaced. */
  readonly sent: Row
  /** As Kong will report it, as far as that is known: complete and comparable. */
  readonly fields: Row
  readonly mistakes: readonly Mistake[]
  /** Where there are mistakes: the entity that was tried, about which Kong may know more. */
  readonly tried?: Row
}

const mistaken = (mistakes: readonly Mistake[], tried: Row): Completed => ({
  ...{ sent: {}, fields: {} },
  mistakes,
  tried,
})

/** The longest time to live, seconds. */
const MAX_TTL = 100_000_000

/** In the place of what Kong makes up. */
const MADE_UP: AutoValues = { uuid: () => '', randomString: () => 'generated', now: () => 1_000 }

/**
 * A new entity, or one that takes another's place as a whole.
 *
 * @param current whose place it takes; what Kong made up of it stays.
 */
export function completeWhole(
  kind: Kind,
  schema: Schema,
  { given, id }: { readonly given: Row; readonly id: string },
  current: Current | undefined,
): Completed {
  const { data, sentTtl, mistakes: ofTtl } = takeTtl(schema, given)
  const early = earlyMistakes(kind, schema, data)
  if ('mistakes' in early) return mistaken([...ofTtl, ...early.mistakes], data)
  const sent = expand(early.prepared, schema)
  const filled = schema.fill(early.prepared, 'insert', MADE_UP)
  const wrong = schema.check({ ...filled, id })
  const mistakes = [...ofTtl, ...flatten(wrong)]
  if (mistakes.length > 0) return mistaken(mistakes, data)
  // Kong reads defaults like given values.
  const complete = schema.fill(schema.fill(early.prepared, 'insert'), 'insert')
  const fields = expectedFields(kind, schema, { filled: { ...complete, id }, sent }, current)
  return { sent: { ...sent, ...sentTtl }, fields, mistakes }
}

/** Some fields of a present entity; records are merged with what they hold. */
export function completePart(kind: Kind, schema: Schema, given: Row, current: Current): Completed {
  const { data, mistakes: ofTtl } = takeTtl(schema, given)
  // What a configuration may hold, shorthands too, depends on the name, which is not given again.
  const key = schema.spec.subschema_key
  const choice = key === undefined || key in data ? {} : { [key]: current.row[key] }
  const early = earlyMistakes(kind, schema, { ...data, ...choice })
  if ('mistakes' in early)
    return mistaken([...ofTtl, ...early.mistakes], schema.merge(data, { ...current.fields, id: current.id }))
  const filled = schema.fill(early.prepared, 'update')
  const sent = Object.fromEntries(Object.entries(filled).filter(([name]) => !(name in choice)))
  const merged = schema.merge(sent, { ...current.fields, id: current.id })
  const wrong = schema.check(merged, { full: false, updating: true }, { given: data, present: current.row })
  const mistakes = [...ofTtl, ...flatten(wrong)]
  if (mistakes.length > 0) return mistaken(mistakes, merged)
  const compared = comparedFields(kind, schema, merged)
  const fields = Object.fromEntries([...compared.keys()].map(name => [name, merged[name] ?? null]))
  return { sent, fields: { ...fields, ...hashed(kind, sent, fields) }, mistakes }
}

/** What Kong stores in another form than it was given. */
function hashed({ name }: Kind, sent: Row, fields: Row): Row {
  const consumer = idIn(fields.consumer)
  return name === 'basicauth_credentials' && typeof sent.password === 'string' && consumer !== undefined
    ? { password: hashPassword(sent.password, consumer) }
    : {}
}

/** What is wrong before anything is filled in, alone; or the data as it goes on. */
function earlyMistakes(
  kind: Kind,
  schema: Schema,
  data: Row,
): { readonly mistakes: readonly Mistake[] } | { readonly prepared: Row } {
  const prepared = kind.prepare?.(data) ?? data
  if ('refused' in prepared) return { mistakes: flatten(prepared.refused as Record<string, string>) }
  const shorthands = schema.checkShorthands(prepared)
  // Kong does not say where a shorthand stands; only the configuration of a plugin has some beneath the top.
  if (shorthands)
    return { mistakes: flattenViolations(shorthands, kind.name === 'plugins' ? ['config'] : []) }
  return { prepared }
}

function takeTtl(schema: Schema, given: Row) {
  const none: readonly Mistake[] = []
  if (!schema.spec.ttl || given.ttl === undefined) return { data: given, sentTtl: {}, mistakes: none }
  const { ttl, ...data } = given
  if (ttl === null) return { data, sentTtl: {}, mistakes: none }
  const isRight = typeof ttl === 'number' && Number.isInteger(ttl) && ttl >= 0 && ttl <= MAX_TTL
  const mistakes = isRight ? none : [{ path: ['ttl'], text: `must be an integer between 0 and ${MAX_TTL}` }]
  return { data, sentTtl: { ttl }, mistakes }
}

const flatten = (violations: Readonly<Record<string, Violation>> | undefined): readonly Mistake[] =>
  flattenViolations(violations ?? null).map(({ path, text }) => ({
    path: path.filter(part => part !== '@entity'),
    text,
  }))

/** A body in which the mask stands for what is there already. */
export function unmask(body: Row, present: Row, mask: string): Row {
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) => {
      if (value === mask) return [[name, present[name]] as const]
      return [[name, unmasked(value, present[name], mask)] as const]
    }),
  )
}

function unmasked(value: unknown, present: unknown, mask: string): unknown {
  if (value === mask) return present
  if (Array.isArray(value)) {
    const list = Array.isArray(present) ? present : []
    return value.map((item, i) => unmasked(item, list[i], mask))
  }
  return isObject(value) ? unmask(value, isObject(present) ? present : {}, mask) : value
}

/** Where the mask stands in a body. */
export function masksIn(
  value: unknown,
  mask: string,
  path: readonly (string | number)[] = [],
): readonly (readonly (string | number)[])[] {
  if (value === mask) return [path]
  if (Array.isArray(value)) return value.flatMap((item, i) => masksIn(item, mask, [...path, i]))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, item]) => masksIn(item, mask, [...path, name]))
}
