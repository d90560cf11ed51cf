import type { Clock } from '../../foundation/clock.ts'
import type { Timers } from '../../foundation/timers.ts'
import { createTestClock } from './test-clock.ts'

export interface TestTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Time goes on, and what falls due is called, in its order. */
  advance(ms: number): void
}

interface Due {
  readonly callback: () => void
  readonly everyMs: number | undefined
  atMs: number
}

/** A clock and timers that stand still until they are moved. */
export function createTestTime(): TestTime {
  const clock = createTestClock()
  const waiting = new Set<Due>()
  const add = (ms: number, callback: () => void, everyMs?: number) => {
    const due: Due = { callback, everyMs, atMs: clock.monotonic() + ms }
    waiting.add(due)
    return () => void waiting.delete(due)
  }
  return {
    clock,
    timers: { after: (ms, callback) => add(ms, callback), every: (ms, callback) => add(ms, callback, ms) },
    advance(ms) {
      const untilMs = clock.monotonic() + ms
      for (;;) {
        const [next] = [...waiting].filter(due => due.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)
        if (!next) break
        clock.advance(next.atMs - clock.monotonic())
        if (next.everyMs === undefined) waiting.delete(next)
        else next.atMs += next.everyMs
        next.callback()
      }
      clock.advance(untilMs - clock.monotonic())
    },
  }
}
