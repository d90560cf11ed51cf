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

/** Those of each named group together, in the order of the groups; then each other file for itself, by name. */
export function inGroups(
  files: readonly string[],
  groups: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  const groupOf = (file: string) =>
    groups.findIndex(group => group.some(name => file.endsWith(`/test/${name}.test.js`)))
  const named = groups.map((_, index) => files.filter(file => groupOf(file) === index).sort())
  const others = files.filter(file => groupOf(file) < 0).sort()
  return [...named, ...others.map(file => [file])].filter(group => group.length > 0)
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

export function summary(outcomes: Outcomes): string {
  const sum = (of: (each: FileOutcome) => number) =>
    Object.values(outcomes).reduce((sum, each) => sum + of(each), 0)
  return closingLine({
    passes: sum(each => each.passes),
    pending: sum(each => each.pending),
    failures: sum(each => each.failures.length),
  })
}

/** Scripts read it. */
export const closingLine = (count: Readonly<Record<'passes' | 'pending' | 'failures', number>>) =>
  `${count.passes} passed, ${count.failures} failed${count.pending > 0 ? `, ${count.pending} skipped` : ''}`

export const failedFiles = (outcomes: Outcomes): readonly string[] =>
  Object.keys(outcomes).filter(file => outcomes[file]?.failures.length)

/** A line for each failure: the file, the test, and the first line of what was wrong. */
export const failureLines = (outcomes: Outcomes): readonly string[] =>
  Object.entries(outcomes).flatMap(([file, { failures }]) =>
    failures.map(({ title, message }) => `${file}: ${title}: ${message.split('\n', 1)}`),
  )
