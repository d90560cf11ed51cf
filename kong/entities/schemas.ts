import { createSchema, type Schema } from '../schema/schema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { type Collection, DEFINITIONS } from './entities.ts'

export type EntitySchemas = Readonly<Record<Collection, Schema>>

/** Builds the schemas of all entities, with the plugins that may be configured. */
export function createEntitySchemas(plugins: Readonly<Record<string, SchemaSpec>>): EntitySchemas {
  const schemas = new Map<string, Schema>()
  for (const { name, schema, subschemas } of DEFINITIONS)
    schemas.set(
      name,
      createSchema(schema, name === 'plugins' ? plugins : subschemas, other => schemas.get(other)),
    )
  return Object.fromEntries(schemas) as EntitySchemas
}
