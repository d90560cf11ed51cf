import type { GcraLimit, Stored } from './limit.ts'

/*
 * GCRA as ITU-T I.371 defines it for cells, in its virtual scheduling form: the state is one number, the theoretical
 * arrival time (tat) of the next request of a client that uses its rate exactly.
 *
 *   T = per / requests          one request every T
 *   τ = T · burst               how far tat may run ahead of now
 *   allowed if max(now, tat) + cost·T − τ ≤ now
 *
 * All times are microseconds. T is rounded up to a quarter: until 2041 a double holds quarters of microseconds since
 * the epoch exactly, so sums have no rounding errors, cost n is n costs of 1, and the Lua form agrees to the last bit.
 */

/** The time between two requests at the exact rate, microseconds. */
export function intervalMicros(limit: GcraLimit): number {
  return Math.ceil((4 * limit.perMicros) / limit.requests) / 4
}

/**
 * The theoretical arrival time at `now`. One from further ahead than τ comes from a clock that stepped, or from a
 * limit that was higher: the bucket is empty then.
 *
 * A state of another rate is carried over by the tokens in use, tat' = now + (tat − now) / T · T', rounded up to a
 * quarter of a microsecond: who had used 3 of 3 has 7 left of 10.
 */
export function readGcra(limit: GcraLimit, stored: Stored | undefined, now: number): number {
  if (stored === undefined) return now
  const tat = typeof stored === 'number' ? stored : stored[0]!
  if (tat <= now) return now
  const interval = intervalMicros(limit)
  const ahead = typeof stored === 'number' ? tat - now : carryOver(tat - now, stored[1]!, interval)
  return Math.min(now + ahead, now + interval * limit.burst)
}

/** Whether a state of these very figures lies further ahead than τ. */
export function isGcraBeyond(limit: GcraLimit, stored: Stored, now: number): boolean {
  if (typeof stored === 'number') return false
  const [tat = 0, interval, burst, requests = burst] = stored
  const own = intervalMicros(limit)
  const isSame = interval === own && burst === limit.burst && requests === limit.requests
  return isSame && tat > now + own * limit.burst
}

/** The same number of tokens, fractions included, at another rate. */
function carryOver(aheadMicros: number, before: number, interval: number): number {
  return before === interval ? aheadMicros : Math.ceil(4 * ((aheadMicros / before) * interval)) / 4
}

/** The highest cost that would be admitted now: ⌊(now + τ − tat) / T⌋. */
export function gcraAvailable(limit: GcraLimit, tat: number, now: number): number {
  const interval = intervalMicros(limit)
  return Math.floor((now + interval * limit.burst - tat) / interval)
}

/** Debits (or, when negative, gives back) without asking; the bucket is never more than full or less than empty. */
export function addGcra(limit: GcraLimit, tat: number, amount: number, now: number): number {
  const interval = intervalMicros(limit)
  return Math.max(now, Math.min(tat + amount * interval, now + interval * limit.burst))
}

/** How long until a request of this cost is admitted, when no other comes: tat + cost·T − τ − now. */
export function gcraRetryMicros(limit: GcraLimit, tat: number, cost: number, now: number): number {
  return Math.ceil(tat + (cost - limit.burst) * intervalMicros(limit) - now)
}

/** How long until the bucket is full again. */
export function gcraResetMicros(tat: number, now: number): number {
  return Math.ceil(tat - now)
}
