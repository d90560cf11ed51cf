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

export interface Counts {
  readonly passes: number
  readonly failures: number
  readonly pending: number
}

/** The closing line, which scripts read. */
export function summary({ passes, failures, pending }: Counts): string {
  return `${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`
}

/** A process that ended without its counts has failed. */
export function total(counts: readonly (Counts | undefined)[]): Counts {
  const sum = (of: (each: Counts) => number) =>
    counts.reduce((sum, each) => sum + (each === undefined ? 0 : of(each)), 0)
  const crashed = counts.filter(each => each === undefined).length
  return {
    passes: sum(each => each.passes),
    failures: sum(each => each.failures) + crashed,
    pending: sum(each => each.pending),
  }
}
