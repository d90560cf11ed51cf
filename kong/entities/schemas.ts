import { createSchema, type Schema } from '../schema/schema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { type Collection, DEFINITIONS } from './entities.ts'
import { type CheckExpression, routesByExpression } from './route-expressions.ts'

export type EntitySchemas = Readonly<Record<Collection, Schema>>

export interface SchemaOptions {
  /** Given where routes may have expressions: `router_flavor = expressions`. */
  readonly checkExpression?: CheckExpression | undefined
}

/** Builds the schemas of all entities, with the plugins that may be configured. */
export function createEntitySchemas(
  plugins: Readonly<Record<string, SchemaSpec>>,
  { checkExpression }: SchemaOptions = {},
): EntitySchemas {
  const schemas = new Map<string, Schema>()
  for (const entity of DEFINITIONS) {
    const { schema, subschemas } =
      entity.name === 'routes' && checkExpression ? routesByExpression(entity, checkExpression) : entity
    schemas.set(
      entity.name,
      createSchema(schema, entity.name === 'plugins' ? plugins : subschemas, other => schemas.get(other)),
    )
  }
  return Object.fromEntries(schemas) as EntitySchemas
}
