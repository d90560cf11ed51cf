import type { CalendarLimit, Stored } from './limit.ts'

export interface CalendarState {
  /** When the period began, microseconds since the epoch. */
  readonly start: number
  readonly count: number
}

/** Whether a state is of a period behind the next one: the clock was far ahead, and has been set right. */
export function isCalendarBeyond({ bounds }: CalendarLimit, stored: Stored): boolean {
  return (stored as readonly number[])[0]! > bounds[2]
}

/**
 * The count of the period that holds `now`. One from the next period means a clock that stepped back: it stays. One of a
 * later period counts in the present one, or it would stay for as long as the clock was ahead. One that has not ended
 * stays, though the limit's own has begun since: its unit or its time zone has changed, and what was used may have been
 * used today.
 */
export function readCalendar(limit: CalendarLimit, stored: Stored | undefined, now: number): CalendarState {
  const [before, present, next] = limit.bounds
  const start = now >= next ? next : now >= present ? present : before
  if (stored === undefined) return { start, count: 0 }
  const [storedStart = 0, count = 0, end = 0] = stored as readonly number[]
  if (storedStart > next) return { start, count }
  if (storedStart >= start) return { start: storedStart, count }
  return { start, count: end > now ? count : 0 }
}

export function storeCalendar(limit: CalendarLimit, { start, count }: CalendarState): Stored {
  return [start, count, endOf(limit, start)]
}

export function calendarAvailable(limit: CalendarLimit, state: CalendarState): number {
  return limit.requests - state.count
}

export function addCalendar(limit: CalendarLimit, state: CalendarState, amount: number): CalendarState {
  const count = Math.max(0, Math.min(state.count + amount, Math.max(limit.requests, state.count)))
  return { ...state, count }
}

/** How long until the next period begins. */
export function calendarResetMicros(limit: CalendarLimit, { start }: CalendarState, now: number): number {
  return Math.max(0, endOf(limit, start) - now)
}

/** Where the period that begins there ends. */
function endOf({ bounds }: CalendarLimit, start: number): number {
  return bounds.find(bound => bound > start) ?? bounds[3]
}
