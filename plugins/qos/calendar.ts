import type { CalendarLimit, Stored } from './limit.ts'

export interface CalendarState {
  /** When the period began, microseconds since the epoch. */
  readonly start: number
  readonly count: number
}

/** The count of the period that holds `now`. One from the future means a clock that stepped back: it stays. */
export function readCalendar(limit: CalendarLimit, stored: Stored | undefined, now: number): CalendarState {
  const [before, present, next] = limit.bounds
  const start = now >= next ? next : now >= present ? present : before
  if (stored === undefined) return { start, count: 0 }
  const [storedStart = 0, count = 0] = String(stored).split(' ').map(Number)
  return storedStart >= start ? { start: storedStart, count } : { start, count: 0 }
}

export function formatCalendar({ start, count }: CalendarState): string {
  return `${start} ${count}`
}

export function calendarAvailable(limit: CalendarLimit, state: CalendarState): number {
  return limit.requests - state.count
}

export function addCalendar(limit: CalendarLimit, state: CalendarState, amount: number): CalendarState {
  const count = Math.max(0, Math.min(state.count + amount, Math.max(limit.requests, state.count)))
  return { ...state, count }
}

/** How long until the next period begins. */
export function calendarResetMicros(limit: CalendarLimit, state: CalendarState, now: number): number {
  const end = limit.bounds.find(bound => bound > state.start) ?? limit.bounds[3]
  return Math.max(0, end - now)
}
