/**
 * The state of a limit as stores keep it. Times are microseconds.
 *
 *     gcra      theoretical arrival time
 *     sliding   [number of the window, its count, the count of the one before]
 *     calendar  [beginning of the period, its count, its end]
 *
 * It is counted by the figures of its limit, unless the figures that it was counted by stand behind it (see figures.ts):
 * then it is carried over when it is read.
 */
export type Stored = number | readonly number[]

/** The largest cost that one request may have. */
export const MAX_COST = 1_000_000

interface CommonLimit {
  readonly name: string
  /** Decides and counts, but refuses nothing; what it would have refused is not debited from it. */
  readonly shadow: boolean
}

/**
 * Generic cell rate algorithm: a bucket of `burst` tokens that fills at `requests` per `perMicros`. It admits at most
 * burst + rate·s in any span s.
 */
export interface GcraLimit extends CommonLimit {
  readonly kind: 'gcra'
  readonly requests: number
  readonly burst: number
  readonly perMicros: number
}

/** Sliding window counter: about `requests` in any window, at most twice that at a change of windows. */
export interface SlidingLimit extends CommonLimit {
  readonly kind: 'sliding'
  readonly requests: number
  readonly perMicros: number
}

/** A quota for each day, week or month of a time zone. */
export interface CalendarLimit extends CommonLimit {
  readonly kind: 'calendar'
  readonly requests: number
  /**
   * Where the last, the present and the next period begin, and where that one ends, in microseconds since the epoch.
   * Four, so that a server whose clock differs from ours still finds its own period among them.
   */
  readonly bounds: readonly [number, number, number, number]
}

export type Limit = GcraLimit | SlidingLimit | CalendarLimit

/** The name of the field of the subject's hash that holds the state of the limit. */
export function fieldOf(limit: Limit): string {
  return `${limit.kind[0]}:${limit.name}`
}

/** The highest cost that the limit can ever admit at once. */
export function capacityOf(limit: Limit): number {
  return limit.kind === 'gcra' ? limit.burst : limit.requests
}
