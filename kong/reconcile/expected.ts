import { hashPassword } from '../entities/basic-auth.ts'
import type { Field } from '../schema/field.ts'
import type { Schema } from '../schema/schema.ts'
import { isObject, type Violation } from '../schema/spec.ts'
import type { Row } from './change.ts'
import type { Path } from './files/problem.ts'
import type { Kind } from './kinds.ts'
import { type Completed, comparedFields } from './normalise.ts'
import type { Current } from './read.ts'

/**
 * A declared entity as Kong will report it once it has been applied.
 *
 * @param current the entity that it changes; nothing for a new one.
 */
export function expectedFields(
  kind: Kind,
  schema: Schema,
  { filled, sent }: Pick<Completed, 'filled' | 'sent'>,
  current: Current | undefined,
): Row {
  const expected = (name: string, field: Field): unknown => {
    const value = filled[name] ?? null
    if (kind.name === 'basicauth_credentials' && name === 'password' && typeof value === 'string')
      return hashPassword(value, (filled.consumer as { id: string }).id)
    if (!current) return value
    // Kong hashes it with a salt of its own.
    if (kind.name === 'oauth2_credentials' && name === 'client_secret' && filled.hash_secret === true)
      return current.fields[name]
    return keepGenerated(value, sent[name], current.fields[name], field)
  }
  const fields = comparedFields(kind, schema, filled)
  return Object.fromEntries([...fields].map(([name, field]) => [name, expected(name, field)]))
}

/**
 * A field that was not declared and that Kong fills at random (a credential's secret, the key of the session plugin)
 * keeps the value that it has.
 */
function keepGenerated(value: unknown, sent: unknown, current: unknown, field: Field): unknown {
  // A secret with a default has got a random one; a secret without was never set.
  const isGenerated = field.spec.auto || (field.spec.encrypted && typeof value === 'string')
  if (sent === undefined && isGenerated) return current ?? value
  if (!field.record || !isObject(value)) return value
  const inner = isObject(sent) ? sent : {}
  const present = isObject(current) ? current : {}
  const kept = [...field.record.fields].map(([name, innerField]) => [
    name,
    keepGenerated(value[name], inner[name], present[name], innerField),
  ])
  return { ...value, ...Object.fromEntries(kept.filter(([, item]) => item !== undefined)) }
}

export interface Mistake {
  readonly path: Path
  readonly text: string
}

/** What Kong's schema has against a declared entity, which has an id. */
export function mistakesOf(
  kind: Kind,
  schema: Schema,
  { given, sent, filled }: Completed,
): readonly Mistake[] {
  const shorthands = schema.checkShorthands(given)
  // Kong reports shorthands without their path; only plugin configurations have nested ones.
  const prefix = kind.name === 'plugins' ? ['config'] : []
  if (shorthands) return flattenViolations(shorthands, prefix)
  const check = (row: Row) => schema.check(without(row, kind.writeOnly))
  if (!check(filled)) return []
  // Generated fields may be left out.
  const violations = check({ ...filled, ...withGenerated(schema, sent), id: filled.id })
  return flattenViolations(violations ?? null).map(({ path, text }) => ({
    path: path.filter(part => part !== '@entity'),
    text: text === 'unknown field' && ENTERPRISE.has(String(path[0])) ? 'belongs to Kong Enterprise' : text,
  }))
}

/** Fields that Kong's free edition does not have. */
const ENTERPRISE = new Set(['groups', 'consumer_group', 'ordering', 'mtls_auth_credentials', 'partials'])

const without = (row: Row, names: readonly string[]): Row =>
  names.length === 0 ? row : Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)))

/** With values in the place of those that Kong makes up: ids, times, random keys. */
const withGenerated = (schema: Schema, sent: Row): Row =>
  schema.fill(sent, 'insert', { uuid: () => '', randomString: () => 'generated', now: () => 1_000 })

/** Kong's tree of complaints as single ones, each with the path of its field. */
export function flattenViolations(violation: Violation | null, path: Path = []): readonly Mistake[] {
  if (violation === null) return []
  if (typeof violation === 'string') return [{ path, text: violation }]
  if (Array.isArray(violation))
    return violation.flatMap((item, i) =>
      path.at(-1) === '@entity'
        ? flattenViolations(item, path.slice(0, -1))
        : flattenViolations(item, [...path, i]),
    )
  return Object.entries(violation as Record<string, Violation>).flatMap(([name, item]) =>
    flattenViolations(item, [...path, name]),
  )
}
