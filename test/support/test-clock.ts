import type { Clock } from '../../foundation/clock.ts'

export interface TestClock extends Clock {
  /** Time goes on. */
  advance(ms: number): void
  /** Someone sets the wall clock; the monotonic one does not notice. */
  step(ms: number): void
}

/** A clock that stands still until it is moved. */
export function createTestClock(startMs = Date.UTC(2026, 0, 15, 12)): TestClock {
  let wallMs = startMs
  let monotonicMs = 1000
  return {
    now: () => wallMs,
    monotonic: () => monotonicMs,
    advance(ms) {
      wallMs += ms
      monotonicMs += ms
    },
    step(ms) {
      wallMs += ms
    },
  }
}
