/** Figures of limits: what a state was counted by. Stores keep them behind each state. */
import { intervalMicros } from './gcra.ts'
import type { Limit, Stored } from './limit.ts'

/** gcra: interval, burst, requests where they differ. sliding: length of a window, requests. calendar: requests. */
export function figuresOf(limit: Limit): readonly number[] {
  switch (limit.kind) {
    case 'gcra':
      return limit.burst === limit.requests
        ? [intervalMicros(limit), limit.burst]
        : [intervalMicros(limit), limit.burst, limit.requests]
    case 'sliding':
      return [limit.perMicros, limit.requests]
    case 'calendar':
      return [limit.requests]
  }
}

/** A state that says by what it was counted, as stores keep it. One that says so already stays as it is. */
export function withFigures(limit: Limit, state: Stored): readonly number[] {
  if (typeof state === 'number') return [state, ...figuresOf(limit)]
  return limit.kind !== 'gcra' && state.length === 3 ? [...state, ...figuresOf(limit)] : state
}
