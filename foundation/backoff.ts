/** Keeps 2^attempt finite. */
const LAST_DOUBLING = 30

/**
 * The pause before another attempt: it doubles from the first to the longest.
 *
 * @param attempt how many have failed before, from 0
 * @returns first · 2^attempt, at most the longest, milliseconds
 */
export function doublingMs(attempt: number, firstMs: number, longestMs: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempt, LAST_DOUBLING))
}
