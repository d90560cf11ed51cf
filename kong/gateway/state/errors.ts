import { prettyTable } from '../../schema/pretty.ts'
import type { Violation, Violations } from '../../schema/spec.ts'

type Fields = Readonly<Record<string, unknown>>

/** An answer of Kong that refuses something: its own code, name, message and fields. */
export interface Refusal {
  readonly code: number
  readonly name: string
  readonly message: string
  readonly fields?: Fields
  readonly options?: Fields
}

/** Thrown by the entity store. */
export class EntityError extends Error {
  readonly refusal: Refusal
  /** The HTTP status of the answer. */
  readonly status: number

  constructor(status: number, refusal: Refusal) {
    super(refusal.message)
    this.name = 'EntityError'
    this.status = status
    this.refusal = refusal
  }
}

const inline = (fields: Fields): string => prettyTable(fields, '')

/** Status, code and name of an error of Kong's (kong/db/errors.lua). */
type Kind = readonly [status: number, code: number, name: string]

function refuse([status, code, name]: Kind, message: string, fields?: Fields): EntityError {
  return new EntityError(status, { code, name, message, ...(fields && { fields }) })
}

export const invalidPrimaryKey = (fields: Fields): EntityError =>
  refuse([400, 1, 'invalid primary key'], `invalid primary key: '${inline(fields)}'`, fields)

export function schemaViolation(violations: Violations): EntityError {
  const lines = violationLines(violations)
  const message =
    lines.length === 1
      ? `schema violation (${lines[0]})`
      : `${lines.length} schema violations (${lines.join('; ')})`
  return refuse([400, 2, 'schema violation'], message, violations)
}

export const primaryKeyViolation = (key: Fields): EntityError =>
  refuse([400, 3, 'primary key violation'], `primary key violation on key '${inline(key)}'`, key)

export const unknownReference = (field: string, key: Fields, parent: string): EntityError =>
  refuse(
    [400, 4, 'foreign key violation'],
    `the foreign key '${inline(key)}' does not reference an existing '${parent}' entity.`,
    { [field]: key },
  )

export const stillReferenced = (parent: string, child: string): EntityError =>
  refuse(
    [400, 4, 'foreign key violation'],
    `an existing '${child}' entity references this '${parent}' entity`,
    { '@referenced_by': child },
  )

/** A CA certificate that is named in a list. */
export const stillTrusted = (id: string, by: string, byId: string): EntityError =>
  refuse(
    [400, 19, 'referenced by others'],
    `ca certificate ${id} is still referenced by ${by} (id = ${byId})`,
  )

export const uniqueViolation = (key: Fields): EntityError =>
  refuse([409, 5, 'unique constraint violation'], `UNIQUE violation detected on '${inline(key)}'`, key)

export const notFound = (key: Fields): EntityError =>
  refuse([404, 6, 'not found'], `could not find the entity with primary key '${inline(key)}'`, key)

export const notFoundBy = (key: Fields): EntityError =>
  refuse([404, 6, 'not found'], `could not find the entity with '${inline(key)}'`, key)

export const invalidOffset = (offset: string, reason: string): EntityError =>
  refuse([400, 7, 'invalid offset'], `'${offset}' is not a valid offset: ${reason}`)

export const invalidSize = (message: string): EntityError => refuse([400, 9, 'invalid size'], message)

export const invalidUnique = (field: string, message: string): EntityError =>
  refuse([400, 10, `invalid unique ${field}`], message)

export function invalidOption(option: string, message: string): EntityError {
  return new EntityError(400, {
    code: 11,
    name: 'invalid options',
    message: `invalid option (${option}: ${message})`,
    options: { [option]: message },
  })
}

export const unsupported = (message: string): EntityError =>
  refuse([405, 12, 'operation unsupported'], message)

/** @param unresolved by foreign field and field of the parent, the value that no parent has. */
export function unresolvedReferences(
  unresolved: Readonly<Record<string, { readonly parent: string; readonly values: Fields }>>,
): EntityError {
  const fields: Record<string, Record<string, string>> = {}
  const lines: string[] = []
  for (const [name, { parent, values }] of Object.entries(unresolved).sort(byName)) {
    const told: Record<string, string> = {}
    for (const field of Object.keys(values).sort()) {
      const key = inline({ [field]: values[field] })
      told[field] = `the foreign key cannot be resolved with '${key}' for an existing '${parent}' entity`
      lines.push(`${name}.${field}: ${told[field]}`)
    }
    fields[name] = told
  }
  const message =
    lines.length === 1
      ? `foreign key unresolved (${lines[0]})`
      : `${lines.length} foreign keys unresolved (${lines.join('; ')})`
  return refuse([400, 13, 'foreign keys unresolved'], message, fields)
}

export const invalidDeclaration = (fields: Fields): EntityError =>
  refuse(
    [400, 14, 'invalid declarative configuration'],
    `declarative config is invalid: ${inline(fields)}`,
    fields,
  )

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** The violations as sentences: those of the entity first, then by field; below the second level as a table. */
function violationLines(violations: Violations): string[] {
  const lines = [...((violations['@entity'] as readonly string[] | undefined) ?? [])]
  for (const [name, violation] of Object.entries(violations).sort(byName)) {
    if (name === '@entity') continue
    if (typeof violation === 'string') lines.push(`${name}: ${violation}`)
    else for (const [part, inner] of parts(violation)) lines.push(`${name}.${part}: ${shown(inner)}`)
  }
  return lines
}

function parts(violation: Exclude<Violation, string>): (readonly [string | number, Violation])[] {
  if (!Array.isArray(violation)) return Object.entries(violation as Violations).sort(byName)
  return violation.flatMap((item: Violation | null, i) => (item === null ? [] : [[i + 1, item] as const]))
}

const shown = (violation: Violation): string =>
  typeof violation === 'string' ? violation : prettyTable(violation)
