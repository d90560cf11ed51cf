/** Figures of limits: what a state was counted by. Stores keep them behind each state. */
import { intervalMicros } from './gcra.ts'
import type { GcraLimit, Limit, Stored } from './limit.ts'

/**
 * gcra: interval, burst, requests where they differ from burst. sliding: length of a window, requests. calendar:
 * requests.
 */
export function figuresOf(limit: Limit): readonly number[] {
  return withFigures(limit, limit.kind === 'gcra' ? 0 : [0, 0, 0]).slice(limit.kind === 'gcra' ? 1 : 3)
}

/** A state that says by what it was counted, as stores keep it. One that says so already stays as it is. */
export function withFigures(limit: Limit, state: Stored): readonly number[] {
  if (typeof state === 'number') {
    const { burst, requests } = limit as GcraLimit
    const interval = intervalMicros(limit as GcraLimit)
    return burst === requests ? [state, interval, burst] : [state, interval, burst, requests]
  }
  if (limit.kind === 'gcra' || state.length > 3) return state
  const [a = 0, b = 0, c = 0] = state
  return limit.kind === 'sliding' ? [a, b, c, limit.perMicros, limit.requests] : [a, b, c, limit.requests]
}
