/**
 * The limiter: decides over all limits of a subject at once, and debits all of them or none. Pure: states and the
 * time go in, new states come out.
 */
import {
  addCalendar,
  calendarAvailable,
  calendarResetMicros,
  isCalendarBeyond,
  readCalendar,
  storeCalendar,
} from './calendar.ts'
import { addGcra, gcraAvailable, gcraResetMicros, gcraRetryMicros, isGcraBeyond, readGcra } from './gcra.ts'
import { capacityOf, type Limit, type Stored } from './limit.ts'
import {
  addSliding,
  isSlidingBeyond,
  readSliding,
  slidingAvailable,
  slidingResetMicros,
  slidingRetryMicros,
  storeSliding,
} from './sliding.ts'

/** What is asked for, in tokens. */
export interface Demand {
  /** Without this many nothing is granted. */
  readonly cost: number
  /** What all who wait together would need; at least the cost. Granted in whole multiples of the cost. */
  readonly wanted: number
  /** How many more would be welcome for later, as long as `reserve` tokens stay behind for others. */
  readonly ahead: number
  readonly reserve: number
}

export const REFUSED = -1

export interface Decision {
  /** Tokens that were debited from every limit, or REFUSED. */
  readonly granted: number
  /** One for each limit, as a store keeps it. */
  readonly states: readonly Stored[]
  /** Places of the shadow limits that would have refused. */
  readonly overrun: readonly number[]
}

const NONE: readonly number[] = []

/** Takes tokens from all limits, or leaves all of them as they are. */
export function take(
  limits: readonly Limit[],
  states: readonly (Stored | undefined)[],
  demand: Demand,
  now: number,
): Decision {
  let available = Number.POSITIVE_INFINITY
  for (let i = 0; i < limits.length; i++)
    if (!limits[i]!.shadow) available = Math.min(available, availableAt(limits[i]!, states[i], now))
  const granted = grant(available, demand)
  let overrun = NONE
  const after: Stored[] = []
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    const isOver = limit.shadow && granted >= 0 && availableAt(limit, states[i], now) < granted
    if (isOver) overrun = [...overrun, i]
    after.push(add(limit, states[i], isOver ? 0 : Math.max(granted, 0), now))
  }
  return { granted, states: after, overrun }
}

function grant(available: number, { cost, wanted, ahead, reserve }: Demand): number {
  if (available < cost) return REFUSED
  const most = Math.min(wanted, available)
  const now = cost > 1 ? most - (most % cost) : most
  return now + Math.max(0, Math.min(ahead, available - reserve - now))
}

/** Debits without asking, or gives back when negative: what was used elsewhere, what was taken and not used. */
export function add(limit: Limit, stored: Stored | undefined, amount: number, now: number): Stored {
  switch (limit.kind) {
    case 'gcra':
      return addGcra(limit, readGcra(limit, stored, now), amount, now)
    case 'sliding':
      return storeSliding(addSliding(limit, readSliding(limit, stored, now), amount))
    case 'calendar':
      return storeCalendar(limit, addCalendar(limit, readCalendar(limit, stored, now), amount))
  }
}

/**
 * Whether a state lies further ahead than the limit reaches, since the store's clock has stepped back. It is read as
 * what it can be at most, and has to be stored as that even where nothing is debited: else it would be read so again
 * and again, and refuse until the clock has come to where it was.
 */
export function isBeyond(limit: Limit, stored: Stored | undefined, now: number): boolean {
  if (stored === undefined) return false
  switch (limit.kind) {
    case 'gcra':
      return isGcraBeyond(limit, stored, now)
    case 'sliding':
      return isSlidingBeyond(limit, stored, now)
    case 'calendar':
      return isCalendarBeyond(limit, stored)
  }
}

/** The highest cost that the limit would admit now; below zero when more than everything is in use. */
export function availableAt(limit: Limit, stored: Stored | undefined, now: number): number {
  switch (limit.kind) {
    case 'gcra':
      return gcraAvailable(limit, readGcra(limit, stored, now), now)
    case 'sliding':
      return slidingAvailable(limit, readSliding(limit, stored, now), now)
    case 'calendar':
      return calendarAvailable(limit, readCalendar(limit, stored, now))
  }
}

/**
 * How long until the limit admits this cost, when nobody else asks, in microseconds: exactly then, not one earlier.
 * Zero when it does so now, undefined when it never will.
 */
export function retryMicros(
  limit: Limit,
  stored: Stored | undefined,
  cost: number,
  now: number,
): number | undefined {
  if (cost > capacityOf(limit)) return undefined
  if (availableAt(limit, stored, now) >= cost) return 0
  switch (limit.kind) {
    case 'gcra':
      return gcraRetryMicros(limit, readGcra(limit, stored, now), cost, now)
    case 'sliding':
      return slidingRetryMicros(limit, readSliding(limit, stored, now), cost, now)
    case 'calendar':
      return calendarResetMicros(limit, readCalendar(limit, stored, now), now)
  }
}

/** How long until the limit is as if it had never been used, in microseconds. */
export function resetMicros(limit: Limit, stored: Stored | undefined, now: number): number {
  switch (limit.kind) {
    case 'gcra':
      return gcraResetMicros(readGcra(limit, stored, now), now)
    case 'sliding':
      return slidingResetMicros(limit, readSliding(limit, stored, now), now)
    case 'calendar': {
      const state = readCalendar(limit, stored, now)
      return state.count === 0 ? 0 : calendarResetMicros(limit, state, now)
    }
  }
}

/** Of two memories of the same limit, the one that admits less. */
export function stricter(
  limit: Limit,
  a: Stored | undefined,
  b: Stored | undefined,
  now: number,
): Stored | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return availableAt(limit, a, now) <= availableAt(limit, b, now) ? a : b
}
