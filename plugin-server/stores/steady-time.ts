import type { Clock } from '../../foundation/clock.ts'

/**
 * Microseconds since the epoch that never go back: the wall clock as it was at the start, carried on by the monotonic
 * one. A step of the wall clock, by an operator or by NTP, can then neither lock a subject out nor refill it.
 */
export function createSteadyTime(clock: Clock): () => number {
  const offsetMs = clock.now() - clock.monotonic()
  return () => Math.floor((offsetMs + clock.monotonic()) * 1000)
}
