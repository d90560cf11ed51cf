import type { Timers } from '../../foundation/timers.ts'

interface Held {
  readonly dueMs: number
  readonly everyMs: number | undefined
  readonly callback: () => void
}

/** Timers that stand still until they are moved. */
export interface HeldTimers extends Timers {
  /** What each timer was asked to wait, in the order in which they were set. */
  readonly asked: readonly number[]
  /** Lets time pass, and calls what is due in between, in its order. What promises make of it follows each call. */
  advance(ms: number): Promise<void>
}

export function holdTimers(): HeldTimers {
  const asked: number[] = []
  let held: Held[] = []
  let nowMs = 0
  const set = (ms: number, everyMs: number | undefined, callback: () => void) => {
    const timer = { dueMs: nowMs + ms, everyMs, callback }
    held.push(timer)
    asked.push(ms)
    return () => {
      held = held.filter(other => other.callback !== callback)
    }
  }
  const settle = () => new Promise(resolve => setImmediate(resolve))
  return {
    asked,
    after: (ms, callback) => set(ms, undefined, callback),
    every: (ms, callback) => set(ms, ms, callback),
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      for (;;) {
        const [next] = held.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)
        if (next === undefined) break
        nowMs = next.dueMs
        held = held.filter(timer => timer !== next)
        if (next.everyMs !== undefined) held.push({ ...next, dueMs: nowMs + next.everyMs })
        next.callback()
        await settle()
      }
      nowMs = untilMs
    },
  }
}
