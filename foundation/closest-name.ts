/**
 * The name that is meant, where one is nearly the same: for messages that say "did you mean".
 *
 * @param most so many characters may be wrong; by default a third of them.
 */
export function closest(name: string, names: Iterable<string>, most?: number): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    const limit = most ?? Math.max(1, Math.floor(candidate.length / 3))
    if (distance <= limit && (!best || distance < best.distance)) best = { name: candidate, distance }
  }
  return best?.name
}

/** `did you mean …?`, where one is nearly the same. */
export function meant(name: string, names: Iterable<string>, most?: number): string | undefined {
  const near = closest(name, names, most)
  return near === undefined ? undefined : `did you mean ${near}?`
}

/** The same behind what is wrong: empty where none is. */
export function hint(name: string, names: Iterable<string>, most?: number): string {
  const question = meant(name, names, most)
  return question === undefined ? '' : `; ${question}`
}

/** Insertions, deletions, replacements of one character, and swaps of two neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(replaced, swapped, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
