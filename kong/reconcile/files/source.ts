import type { Environment } from '../../../foundation/environment.ts'
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from '../../../foundation/yaml.ts'
import type { Located, Path, Position, Problem } from './problem.ts'
import { evaluate, fillStandIns, hasStandIn, liftExpressions, type Template } from './template.ts'

/** A file of a declared state, with the line and column of each value. */
export interface Source extends Located {
  /** Undefined where the file is not YAML. */
  readonly content: unknown
  /** Values that came from secret environment variables: they are never shown. */
  readonly secrets: readonly string[]
  /** Mistakes of syntax, and expressions without a value. */
  readonly problems: readonly Problem[]
  /** Whether the value at this path was filled from the environment, so that the schema chooses its type. */
  isFromEnvironment(path: Path): boolean
  /** Whether the value at this path, above or below it has no value, so that nothing can be said about it. */
  isUnresolved(path: Path): boolean
}

/** A variable with such a name holds a secret; its value is masked wherever it would be shown. */
const SECRET_NAME = /KEY|SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE|AUTH/i

/** Reads YAML (or JSON) and fills in the environment. Mistakes are in `problems`. */
export function readSource(text: string, file: string, env: Environment): Source {
  const template = liftExpressions(text)
  const lines = new LineCounter()
  const document = parseDocument(template.text, { lineCounter: lines, merge: true, prettyErrors: false })
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const nodeAt = (path: Path): Node | undefined => follow(document, path)
  const positionOf = (path: Path) => positionAt(offsetOf(document, path, nodeAt))
  const syntax = document.errors.map(({ pos, message }) => ({
    file,
    position: positionAt(pos[0]),
    text: plainText(message),
  }))
  const nothing = { file, positionOf, isFromEnvironment: () => false, isUnresolved: () => false }
  if (syntax.length > 0) return { ...nothing, content: undefined, secrets: [], problems: syntax }

  const filled = fill(document, template, env)
  return {
    file,
    positionOf,
    content: document.toJS({ maxAliasCount: 10_000 }),
    secrets: filled.secrets,
    problems: filled.missing.map(({ offset, text: reason }) => ({
      file,
      position: positionAt(offset),
      text: reason,
    })),
    isFromEnvironment: path => filled.nodes.has(nodeAt(path)),
    isUnresolved: path => touches(document, path, filled.unresolved, nodeAt),
  }
}

interface Filled {
  /** Scalars with a value from the environment. */
  readonly nodes: ReadonlySet<unknown>
  /** Scalars without a value: they keep their stand-in. */
  readonly unresolved: ReadonlySet<unknown>
  readonly secrets: readonly string[]
  readonly missing: readonly { readonly offset: number; readonly text: string }[]
}

function fill(document: Document.Parsed, template: Template, env: Environment): Filled {
  const nodes = new Set<unknown>()
  const unresolved = new Set<unknown>()
  const secrets = new Set<string>()
  const missing: { offset: number; text: string }[] = []
  const fillScalar = (node: Scalar<string>) => {
    node.value = fillStandIns(node.value, (index, standIn) => {
      const expression = template.expressions[index]
      const result = expression && evaluate(expression.source, env)
      if (!result || 'problem' in result) {
        unresolved.add(node)
        if (result) missing.push({ offset: expression.offset, text: result.problem })
        return standIn
      }
      if (SECRET_NAME.test(result.variable)) secrets.add(result.value)
      return result.value
    })
  }
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string' || !hasStandIn(node.value)) return
      nodes.add(node)
      fillScalar(node as Scalar<string>)
    },
  })
  return { nodes, unresolved, secrets: [...secrets], missing }
}

/** Whether one of the nodes stands at the path, on the way to it, or beneath it. */
function touches(
  document: Document.Parsed,
  path: Path,
  nodes: ReadonlySet<unknown>,
  nodeAt: (path: Path) => Node | undefined,
): boolean {
  if (nodes.size === 0) return false
  if (path.some((_, i) => nodes.has(nodeAt(path.slice(0, i))))) return true
  const node = nodeAt(path)
  if (!node) return false
  let found = nodes.has(node)
  visit(node, (_key, inner) => {
    if (nodes.has(inner) || nodes.has(deref(inner, document))) found = true
    return found ? visit.BREAK : undefined
  })
  return found
}

/** Without the stand-ins, which mean nothing to a reader. */
const plainText = (text: string): string => fillStandIns(text, () => 'an expression').split('\n')[0] ?? ''

const deref = (node: unknown, document: Document.Parsed): unknown =>
  isAlias(node) ? node.resolve(document) : node

function follow(document: Document.Parsed, path: Path): Node | undefined {
  let node = deref(document.contents, document)
  for (const part of path) {
    if (isMap(node)) node = deref(node.get(part, true), document)
    else if (isSeq(node)) node = deref(node.get(Number(part), true), document)
    else return undefined
  }
  return isNode(node) ? node : undefined
}

/** Offset of the key that a path ends with, or of the item; of the nearest thing around it where it is missing. */
function offsetOf(
  { contents }: Document.Parsed,
  path: Path,
  nodeAt: (path: Path) => Node | undefined,
): number {
  for (let length = path.length; length > 0; length--) {
    const parent = nodeAt(path.slice(0, length - 1))
    const last = path[length - 1]
    const pair = isMap(parent)
      ? parent.items.find(item => (isScalar(item.key) ? item.key.value : item.key) === last)
      : undefined
    const key = pair && isNode(pair.key) ? pair.key : nodeAt(path.slice(0, length))
    if (key?.range) return key.range[0]
  }
  return contents?.range ? contents.range[0] : 0
}
