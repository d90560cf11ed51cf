import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { SluiceError } from '../../../foundation/errors.ts'
import { evaluate, fillStandIns, hasStandIn, liftExpressions } from './template.ts'

export type Path = readonly (string | number)[]
export type Environment = Readonly<Record<string, string | undefined>>

export interface Position {
  readonly line: number
  readonly column: number
}

/** Something wrong in a declared state. */
export interface Problem {
  readonly file: string
  readonly position: Position
  readonly text: string
}

/** A declared state as it was read, which still knows where each value stands. */
export interface Source {
  readonly file: string
  readonly content: unknown
  /** Values that came from secret environment variables: they are never shown. */
  readonly secrets: readonly string[]
  /** Whether the value at this path was filled from the environment, so that the schema chooses its type. */
  isFromEnvironment(path: Path): boolean
  positionOf(path: Path): Position
}

/** A variable with such a name holds a secret; its value is masked wherever it would be shown. */
const SECRET_NAME = /KEY|SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE|AUTH/i

/**
 * Reads YAML (or JSON) and fills in the environment.
 *
 * @throws SluiceError SLUICE_STATE_INVALID with line and column of every mistake.
 */
export function readSource(text: string, file: string, env: Environment): Source {
  const template = liftExpressions(text)
  const lines = new LineCounter()
  const document = parseDocument(template.text, { lineCounter: lines, merge: true, prettyErrors: false })
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const problems: Problem[] = document.errors.map(error => ({
    file,
    position: positionAt(error.pos[0]),
    text: plainText(error.message),
  }))

  const secrets = new Set<string>()
  const filled = new Set<unknown>()
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string' || !hasStandIn(node.value)) return
      filled.add(node)
      node.value = fillStandIns(node.value, index => {
        const expression = template.expressions[index]!
        const result = evaluate(expression.source, env)
        if ('problem' in result) {
          problems.push({ file, position: positionAt(expression.offset), text: result.problem })
          return ''
        }
        if (SECRET_NAME.test(result.variable)) secrets.add(result.value)
        return result.value
      })
    },
  })
  refuse(problems)

  const nodeAt = (path: Path): Node | undefined => follow(document.contents, path, n => deref(n, document))
  return {
    file,
    content: document.toJS({ maxAliasCount: 10_000 }),
    secrets: [...secrets],
    isFromEnvironment: path => filled.has(nodeAt(path)),
    positionOf: path => positionAt(offsetOf(document.contents, path, nodeAt)),
  }
}

/**
 * Stops when there are problems.
 *
 * @throws SluiceError SLUICE_STATE_INVALID that lists them in the order of the file.
 */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return
  const sorted = [...problems].sort(
    (a, b) =>
      a.file.localeCompare(b.file) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  )
  const lines = sorted.map(
    ({ file, position, text }) => `${file}:${position.line}:${position.column}: ${text}`,
  )
  throw new SluiceError('SLUICE_STATE_INVALID', lines.join('\n'), { details: { problems: sorted } })
}

/** Without the stand-ins, which mean nothing to a reader. */
const plainText = (text: string): string => fillStandIns(text, () => 'an expression').split('\n')[0]!

const deref = (node: unknown, document: ReturnType<typeof parseDocument>): unknown =>
  isAlias(node) ? node.resolve(document) : node

function follow(root: unknown, path: Path, resolve: (node: unknown) => unknown): Node | undefined {
  let node = resolve(root)
  for (const part of path) {
    if (isMap(node)) node = resolve(node.get(part, true))
    else if (isSeq(node)) node = resolve(node.get(Number(part), true))
    else return undefined
  }
  return isNode(node) ? node : undefined
}

/** Offset of the key that a path ends with, or of the item; of the nearest thing around it where it is missing. */
function offsetOf(root: unknown, path: Path, nodeAt: (path: Path) => Node | undefined): number {
  for (let length = path.length; length > 0; length--) {
    const parent = nodeAt(path.slice(0, length - 1))
    const last = path[length - 1]
    const pair = isMap(parent)
      ? parent.items.find(item => (isScalar(item.key) ? item.key.value : item.key) === last)
      : undefined
    const key = pair && isNode(pair.key) ? pair.key : nodeAt(path.slice(0, length))
    if (key?.range) return key.range[0]
  }
  return isNode(root) && root.range ? root.range[0] : 0
}
