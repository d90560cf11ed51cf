import { isNode, METHODS, type Node, nodeOf, nodesOf, textOf } from './node.ts'
import { follow } from './pointer.ts'

/** An operation of a service's document. */
export interface Operation {
  readonly method: string
  readonly path: string
  readonly node: Node
  /** Those of the path, which its own of the same name and place outdo, are among its parameters. */
  readonly parameters: readonly Node[]
  readonly base: string
}

/** All operations of a document; the path of its first server stands before each. */
export function operationsOf(document: Node): readonly Operation[] {
  return Object.entries(nodeOf(document.paths)).flatMap(([path, value]) => {
    const item = follow(document, value)
    return METHODS.filter(method => isNode(item[method])).map(method => {
      const node = nodeOf(item[method])
      const own = nodesOf(node.parameters)
      const keys = new Set(own.map(one => keyOf(document, one)))
      const inherited = nodesOf(item.parameters).filter(one => !keys.has(keyOf(document, one)))
      const base = basePathOf(node) ?? basePathOf(item) ?? basePathOf(document) ?? ''
      return { method, path, node, parameters: [...inherited, ...own], base }
    })
  })
}

const keyOf = (document: Node, parameter: Node) => {
  const { in: place, name } = follow(document, parameter)
  return `${place} ${name}`
}

function basePathOf({ servers }: Node): string | undefined {
  const [server] = nodesOf(servers)
  const url = textOf(server?.url)
  if (url === undefined) return undefined
  const variables = nodeOf(server?.variables)
  const filled = url.replace(/\{([^{}]+)\}/g, (_, name: string) =>
    String(nodeOf(variables[name]).default ?? ''),
  )
  try {
    return new URL(filled, 'http://service').pathname.replace(/\/+$/, '')
  } catch {
    return undefined
  }
}

/** Operation ids that stand in more than one place. */
export function sharedIds(documents: readonly Node[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const shared = new Set<string>()
  for (const document of documents)
    for (const { node } of operationsOf(document)) {
      const id = textOf(node.operationId)
      if (id !== undefined && seen.has(id)) shared.add(id)
      if (id !== undefined) seen.add(id)
    }
  return shared
}
