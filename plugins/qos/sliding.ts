import type { SlidingLimit, Stored } from './limit.ts'

/*
 * Sliding window counter: the count of the window before, weighted by the share of it that a window ending now would
 * still cover, plus the count of the present one. Described by Cloudflare ("How we built rate limiting capable of
 * scaling to millions of domains", 2017).
 *
 *   estimate = current + previous · (1 − elapsed share)
 */

export interface SlidingState {
  /** Number of the window since the epoch. */
  readonly index: number
  readonly current: number
  readonly previous: number
}

/** Whether a state is of a window that has not begun: the clock has stepped back. */
export function isSlidingBeyond({ perMicros }: SlidingLimit, stored: Stored, now: number): boolean {
  const [index = 0, , , per = perMicros] = stored as readonly number[]
  return per === perMicros && index > Math.floor(now / perMicros)
}

/**
 * The counts at `now`. A window from the future means a clock that stepped back: its counts, and those before them, are
 * of the present one then, and gone two windows later.
 *
 * Counts of windows of another length may all lie in the present one, so that it begins with them: it admits less than
 * it might, never more, until two windows later nothing of them is left.
 */
export function readSliding(limit: SlidingLimit, stored: Stored | undefined, now: number): SlidingState {
  const { perMicros } = limit
  const index = Math.floor(now / perMicros)
  if (stored === undefined) return { index, current: 0, previous: 0 }
  const counts = stored as readonly number[]
  const storedPer = counts[3] ?? perMicros
  if (storedPer === perMicros && counts[0]! <= index) return follow(counts, index)
  const { current, previous } = follow(counts, Math.floor(now / storedPer))
  return { index, current: current + previous, previous: 0 }
}

/** The stored counts, seen from a window. */
function follow(counts: readonly number[], index: number): SlidingState {
  const at = counts[0]!
  const current = counts[1]!
  if (at >= index) return { index: at, current, previous: counts[2]! }
  return { index, current: 0, previous: at === index - 1 ? current : 0 }
}

export const storeSliding = ({ index, current, previous }: SlidingState): Stored => [index, current, previous]

/** How much of the previous window still counts at `now`, in microseconds of it. */
function remainderMicros(limit: SlidingLimit, state: SlidingState, now: number): number {
  return Math.min(limit.perMicros, (state.index + 1) * limit.perMicros - now)
}

export function slidingAvailable(limit: SlidingLimit, state: SlidingState, now: number): number {
  const carried = Math.ceil((state.previous * remainderMicros(limit, state, now)) / limit.perMicros)
  return limit.requests - state.current - carried
}

export function addSliding(limit: SlidingLimit, state: SlidingState, amount: number): SlidingState {
  const current = Math.max(0, Math.min(state.current + amount, Math.max(limit.requests, state.current)))
  return { ...state, current }
}

/** How long until a request of this cost is admitted, when no other comes. */
export function slidingRetryMicros(
  limit: SlidingLimit,
  state: SlidingState,
  cost: number,
  now: number,
): number {
  const windowEnd = (state.index + 1) * limit.perMicros
  const free = limit.requests - cost
  if (state.current <= free) {
    const wait = windowEnd - coveredMicros(limit, state.previous, free - state.current) - now
    return exactWait(limit, state, { cost, now, wait })
  }
  const next = { index: state.index + 1, current: 0, previous: state.current }
  const wait = windowEnd + limit.perMicros - coveredMicros(limit, state.current, free) - now
  return exactWait(limit, next, { cost, now, wait })
}

/** How many microseconds of a window with this count fit into what is free. */
function coveredMicros(limit: SlidingLimit, count: number, free: number): number {
  return count === 0 ? limit.perMicros : Math.floor((free * limit.perMicros) / count)
}

interface Waiting {
  readonly cost: number
  readonly now: number
  readonly wait: number
}

/** Corrects the last microsecond, which division may have missed. */
function exactWait(limit: SlidingLimit, state: SlidingState, { cost, now, wait }: Waiting): number {
  let micros = Math.max(0, wait)
  while (slidingAvailable(limit, state, now + micros) < cost) micros++
  while (micros > 0 && now + micros - 1 >= state.index * limit.perMicros) {
    if (slidingAvailable(limit, state, now + micros - 1) < cost) break
    micros--
  }
  return micros
}

/** How long until nothing counts any more. */
export function slidingResetMicros(limit: SlidingLimit, state: SlidingState, now: number): number {
  if (state.current === 0 && state.previous === 0) return 0
  return (state.index + (state.current > 0 ? 2 : 1)) * limit.perMicros - now
}
