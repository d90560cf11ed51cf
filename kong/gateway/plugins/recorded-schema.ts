import { readFileSync } from 'node:fs'
import path from 'node:path'
import { httpProtocols } from '../../entities/typedefs.ts'
import type { FieldSpec, NamedField, SchemaSpec } from '../../schema/spec.ts'

/** What a recorded schema can't say, by the path of the field: `config`, `config.key_names.elements`. */
export type SchemaRules = Readonly<Record<string, Partial<FieldSpec>>>

type Json = Record<string, unknown>

/**
 * The schema of a bundled plugin, as a Kong 3.9.3 gives it at `GET /schemas/plugins/<name>`. Functions do not stand
 * in that answer, so validators are added as rules.
 */
export function recordedSchema(name: string, rules: SchemaRules = {}): SchemaSpec {
  const file = path.join(import.meta.dirname, 'schemas', `${name}.json`)
  const schema = JSON.parse(readFileSync(file, 'utf8')) as Omit<SchemaSpec, 'name'>
  const protocols = fieldAt(schema, ['protocols']) as FieldSpec
  // Kong's definition of HTTP protocols changes while it starts; the schemas were recorded before, answers after that.
  if (protocols.description === httpProtocols.description) Object.assign(protocols, httpProtocols)
  for (const [field, rule] of Object.entries(rules)) Object.assign(fieldAt(schema, field.split('.')), rule)
  return { name, ...schema }
}

/** @throws TypeError when the schema has no such field */
function fieldAt(schema: Pick<SchemaSpec, 'fields'>, names: readonly string[]): object {
  let at: object = schema
  for (const name of names) {
    const { fields } = at as { fields?: readonly NamedField[] }
    const next = fields?.find(field => Object.hasOwn(field, name))?.[name] ?? (at as Json)[name]
    if (typeof next !== 'object' || next === null) throw new TypeError(`no field ${names.join('.')}`)
    at = next
  }
  return at
}
