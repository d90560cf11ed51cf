import { isNode, type Node, nodeOf, rewrite, textOf } from './node.ts'
import { DocumentRefused } from './parse.ts'

const MAX_STEPS = 20

/** What a reference of the document itself points to (RFC 6901); undefined for nothing. */
export function resolve(document: Node, reference: string): unknown {
  let value: unknown = document
  for (const part of reference.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(value)) value = value[Number(key)]
    else if (isNode(value) && Object.hasOwn(value, key)) value = value[key]
    else return undefined
  }
  return value
}

/** The object itself, or what it refers to; an empty one where that is nothing. */
export function follow(document: Node, value: unknown): Node {
  let node = nodeOf(value)
  for (let step = 0; step < MAX_STEPS; step++) {
    const reference = textOf(node.$ref)
    if (reference === undefined) return node
    node = nodeOf(resolve(document, reference))
  }
  throw new DocumentRefused('has references in a circle')
}

const COMPONENT = /^#\/components\/([^/]+)\/([^/]+)/

/**
 * Puts in what references point to beside the components (`#/paths/…`): paths change their names, and so do
 * operations.
 *
 * @throws DocumentRefused for a circle of them
 */
export function inlineReferences(document: Node, depth = 0): Node {
  if (depth > MAX_STEPS) throw new DocumentRefused('has references in a circle')
  let found = false
  const inlined = rewrite(document, node => {
    const reference = textOf(node.$ref)
    if (reference === undefined || COMPONENT.test(reference)) return node
    found = true
    const target = resolve(document, reference)
    if (!isNode(target))
      throw new DocumentRefused(`refers to ${JSON.stringify(reference.slice(0, 200))}, which is not there`)
    return target
  })
  return found ? inlineReferences(nodeOf(inlined), depth + 1) : document
}

/** Where a reference points among the components: `['schemas', 'Pet']`. */
export function componentOf(reference: string): readonly [section: string, name: string] | undefined {
  const [, section, name] = COMPONENT.exec(reference) ?? []
  return section === undefined || name === undefined ? undefined : [section, decodeName(name)]
}

const decodeName = (name: string) => {
  try {
    return decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return name
  }
}
