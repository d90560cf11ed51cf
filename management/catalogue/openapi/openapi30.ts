/** From OpenAPI 3.0 to 3.1, which is JSON Schema 2020-12: https://www.openapis.org/blog/2021/02/16/migrating-from-openapi-3-0-to-3-1-0 */
import { type Node, nodeOf, rewrite, without } from './node.ts'

export const toOpenApi31 = (document: Node): Node => ({
  ...nodeOf(rewrite(document, node => upgradeBounds(upgradeNullable(node)))),
  openapi: '3.1.0',
})

function upgradeNullable(schema: Node): Node {
  if (typeof schema.nullable !== 'boolean') return schema
  const { nullable, type, enum: values } = schema
  const rest = without(schema, ['nullable'])
  if (!nullable) return rest
  // Without a type `null` was no value of it either, unless it refers to another schema.
  if (type === undefined) return composes(rest) ? { anyOf: [rest, { type: 'null' }] } : rest
  return {
    ...rest,
    type: [...(Array.isArray(type) ? type : [type]), 'null'],
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
  }
}

const composes = (schema: Node) => ['$ref', 'allOf', 'oneOf', 'anyOf'].some(name => name in schema)

/** `exclusiveMinimum: true` became the bound itself. */
function upgradeBounds(schema: Node): Node {
  let upgraded = schema
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    const { [flag]: isExclusive, [bound]: limit } = upgraded
    if (typeof isExclusive !== 'boolean') continue
    upgraded = without(upgraded, isExclusive ? [flag, bound] : [flag])
    if (isExclusive && typeof limit === 'number') upgraded = { ...upgraded, [flag]: limit }
  }
  return upgraded
}
