import { readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Whether the compiled test file starts no other program, neither itself nor through what it imports from `test`
 * and `ops`: such tests need nothing on the machine and are quick.
 */
export function isUnitTest(file: string, root: string, seen = new Set<string>()): boolean {
  if (seen.has(file)) return true
  seen.add(file)
  const text = readFileSync(file, 'utf8')
  if (/from 'node:child_process'/.test(text)) return false
  return importsOf(text)
    .map(specifier => path.resolve(path.dirname(file), specifier))
    .filter(imported => /^(test|ops)\//.test(path.relative(root, imported)))
    .every(imported => isUnitTest(imported, root, seen))
}

const importsOf = (text: string) =>
  [...text.matchAll(/(?:from|import\() ?'(\.[^']+\.js)'/g)].flatMap(([, specifier]) => specifier ?? [])

/** Divides the files so that each part takes about as long: the longest first, each to the part that has least. */
export function divide(
  files: readonly string[],
  parts: number,
  secondsOf: (file: string) => number,
): readonly (readonly string[])[] {
  const divided = Array.from({ length: parts }, () => ({ files: [] as string[], seconds: 0 }))
  for (const file of [...files].sort((a, b) => secondsOf(b) - secondsOf(a) || a.localeCompare(b))) {
    const least = divided.reduce((a, b) => (b.seconds < a.seconds ? b : a))
    least.files.push(file)
    least.seconds += secondsOf(file)
  }
  // In each part the order of mocha alone.
  return divided.map(part => part.files.sort())
}

export interface Failure {
  /** With the titles of the suites around it. */
  readonly title: string
  readonly message: string
}

/** What came of one file. */
export interface FileOutcome {
  readonly passes: number
  readonly pending: number
  readonly failures: readonly Failure[]
}

/** By the file's path. */
export type Outcomes = Readonly<Record<string, FileOutcome>>

/** The closing line, which scripts read. */
export function summary(outcomes: Outcomes): string {
  const sum = (of: (each: FileOutcome) => number) =>
    Object.values(outcomes).reduce((sum, each) => sum + of(each), 0)
  const pending = sum(each => each.pending)
  const failures = sum(each => each.failures.length)
  return `${sum(each => each.passes)} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`
}

export const failedFiles = (outcomes: Outcomes): readonly string[] =>
  Object.keys(outcomes).filter(file => outcomes[file]?.failures.length)

/** A line for each failure: the file, the test, and the first line of what was wrong. */
export const failureLines = (outcomes: Outcomes): readonly string[] =>
  Object.entries(outcomes).flatMap(([file, { failures }]) =>
    failures.map(({ title, message }) => `${file}: ${title}: ${message.split('\n', 1)}`),
  )
