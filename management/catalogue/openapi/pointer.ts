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

/** Put in again and again, a page of references can become gigabytes. */
const MAX_PUT_IN = 1_000

/**
 * Puts in what references point to beside the components (`#/paths/…`): paths change their names, and so do
 * operations.
 *
 * @throws DocumentRefused for a circle of them, and for more than a thousand
 */
export function inlineReferences(document: Node): Node {
  let inlined = document
  for (let round = 0, count = 0; ; round++) {
    const before = count
    inlined = nodeOf(
      rewrite(inlined, node => {
        const reference = textOf(node.$ref)
        if (reference === undefined || COMPONENT.test(reference)) return node
        count++
        if (round > MAX_STEPS || count > MAX_PUT_IN)
          throw new DocumentRefused('has references in a circle, or too many')
        const target = resolve(document, reference)
        if (isNode(target)) return target
        throw new DocumentRefused(`refers to ${JSON.stringify(reference.slice(0, 200))}, which is not there`)
      }),
    )
    if (count === before) return inlined
  }
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
