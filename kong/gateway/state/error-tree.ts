import { isObject, type Violation, type Violations } from '../../schema/spec.ts'

type Tree = Record<string, unknown>

/** Where something stands in a declaration: `['services', 0, 'routes', 1]`. */
export type Place = readonly (string | number)[]

/** Puts a violation into the tree of errors; lists have null for what is fine. */
export function place(tree: Violations, at: Place, violation: Violation): void {
  let node: Tree = tree
  for (const [i, key] of at.slice(0, -1).entries()) {
    const present = node[key]
    const next =
      typeof present === 'object' && present !== null ? present : typeof at[i + 1] === 'number' ? [] : {}
    node[key] = next
    // A list is a record of its indexes here.
    node = next as Tree
  }
  const last = at.at(-1)
  if (last === undefined) return
  if (Array.isArray(node)) while (node.length < Number(last)) node.push(null)
  const present = node[last]
  node[last] = isObject(present) && isObject(violation) ? { ...present, ...violation } : violation
}
