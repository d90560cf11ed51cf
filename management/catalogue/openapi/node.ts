/** OpenAPI documents as they come: objects of which nothing is known yet. */
export type Node = Readonly<Record<string, unknown>>

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object, or an empty one in the place of anything else. */
export const nodeOf = (value: unknown): Node => (isNode(value) ? value : {})
export const nodesOf = (value: unknown): readonly Node[] => (Array.isArray(value) ? value.filter(isNode) : [])
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
export const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter(one => typeof one === 'string') : []

export const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
export type Method = (typeof METHODS)[number]

/** A copy without the fields. */
export const without = (node: Node, fields: readonly string[]): Node =>
  Object.fromEntries(Object.entries(node).filter(([name]) => !fields.includes(name)))

export const mapValues = <T>(node: Node, change: (value: unknown, key: string) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(node).map(([key, value]) => [key, change(value, key)]))

/** Keys under which every key is a name that somebody has chosen, and no field of OpenAPI. */
const NAMED = new Set([
  ...['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions', 'schemas', 'responses'],
  ...[
    'parameters',
    'requestBodies',
    'headers',
    'securitySchemes',
    'links',
    'callbacks',
    'pathItems',
    'paths',
  ],
  ...['examples', 'content', 'encoding', 'variables', 'scopes', 'mapping'],
])
/** Values of an API's own, in which nothing is a field of OpenAPI. */
const VALUES = new Set(['example', 'default', 'enum', 'const', 'value'])

/**
 * Changes every object of a document from the inside out, but none inside an example or another value of the API's
 * own, where `$ref` or `description` mean nothing.
 *
 * @param change gets an object whose keys are fields, never a map from chosen names
 */
export function rewrite(value: unknown, change: (node: Node) => unknown): unknown {
  return walk(value, change, false)
}

function walk(value: unknown, change: (node: Node) => unknown, isNamed: boolean): unknown {
  if (Array.isArray(value)) return value.map(one => walk(one, change, false))
  if (!isNode(value)) return value
  const inside = mapValues(value, (one, key) => {
    if (isNamed) return walk(one, change, false)
    if (VALUES.has(key)) return one
    // A schema's own `examples` are a list of values.
    if (key === 'examples' && Array.isArray(one)) return one
    return walk(one, change, NAMED.has(key) && isNode(one))
  })
  return isNamed ? inside : change(inside)
}
