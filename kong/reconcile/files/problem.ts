import { SluiceError } from '../../../foundation/errors.ts'

export type Path = readonly (string | number)[]

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

/** Where a problem is: a file that knows its lines. */
export interface Located {
  readonly file: string
  positionOf(path: Path): Position
}

export const problemAt = (source: Located, path: Path, text: string): Problem => ({
  file: source.file,
  position: source.positionOf(path),
  text,
})

/**
 * Stops when there are problems.
 *
 * @throws SluiceError SLUICE_STATE_INVALID that lists each of them once, in the order of the files.
 */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return
  const sorted = [...problems].sort(
    (a, b) =>
      a.file.localeCompare(b.file) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  )
  const byLine = new Map(sorted.map(problem => [lineOf(problem), problem]))
  throw new SluiceError('SLUICE_STATE_INVALID', [...byLine.keys()].join('\n'), {
    details: { problems: [...byLine.values()] },
  })
}

const lineOf = ({ file, position, text }: Problem): string =>
  `${file}:${position.line}:${position.column}: ${text}`
