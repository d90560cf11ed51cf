import { readFileSync } from 'node:fs'
import path from 'node:path'
import { PLUGIN_RULES } from '../../entities/plugin-rules.ts'
import { httpProtocols } from '../../entities/typedefs.ts'
import { type Rules, withRules } from '../../schema/rules.ts'
import { entryOf, type NamedField, type SchemaSpec } from '../../schema/spec.ts'

/** What a recorded schema can't say, by the path of the field: `config`, `config.key_names.elements`. */
export type SchemaRules = Rules

/**
 * The schema of a bundled plugin, as a Kong 3.9.3 gives it at `GET /schemas/plugins/<name>`. Functions do not stand
 * in that answer, so validators are added as rules.
 */
export function recordedSchema(name: string, rules: SchemaRules = {}): SchemaSpec {
  const file = path.join(import.meta.dirname, 'schemas', `${name}.json`)
  const schema: SchemaSpec = { name, ...JSON.parse(readFileSync(file, 'utf8')) }
  const fields = schema.fields.map(withLateProtocols)
  return withRules({ ...schema, fields }, { ...PLUGIN_RULES[name], ...rules })
}

/** Kong's definition of HTTP protocols changes while it starts; the schemas were recorded before, answers after that. */
function withLateProtocols(field: NamedField): NamedField {
  const [name, { description }] = entryOf(field)
  return name === 'protocols' && description === httpProtocols.description
    ? { protocols: httpProtocols }
    : field
}
