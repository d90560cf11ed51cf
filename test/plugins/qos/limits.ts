import fc from 'fast-check'
import type { CalendarLimit, GcraLimit, Limit, SlidingLimit } from '../../../plugins/qos/limit.ts'
import { type PeriodUnit, periodBounds } from '../../../plugins/qos/periods.ts'

export const SECOND = 1_000_000
/** 2026-01-15 12:00 UTC, microseconds. */
export const START = Date.UTC(2026, 0, 15, 12) * 1000

export function gcra(requests: number, perSeconds: number, burst = requests, name = 'minute'): GcraLimit {
  return { kind: 'gcra', name, shadow: false, requests, burst, perMicros: perSeconds * SECOND }
}

export function sliding(requests: number, perSeconds: number, name = 'window'): SlidingLimit {
  return { kind: 'sliding', name, shadow: false, requests, perMicros: perSeconds * SECOND }
}

export function calendar(
  requests: number,
  name = 'day',
  nowMicros = START,
  unit: PeriodUnit = 'day',
  zone = 'UTC',
): CalendarLimit {
  const [a, b, c, d] = periodBounds(unit, zone, nowMicros / 1000)
  return { kind: 'calendar', name, shadow: false, requests, bounds: [a * 1000, b * 1000, c * 1000, d * 1000] }
}

const requests = fc.integer({ min: 1, max: 500 })
const perSeconds = fc.oneof(fc.constantFrom(1, 10, 60, 3600), fc.integer({ min: 1, max: 100_000 }))

export const gcraLimit = fc
  .tuple(requests, perSeconds, fc.integer({ min: 1, max: 200 }))
  .map(([count, per, burst]) => gcra(count, per, burst))
export const slidingLimit = fc.tuple(requests, perSeconds).map(([count, per]) => sliding(count, per))
export const calendarLimit = requests.map(count => calendar(count))
/** A quota for a day, a week or a month, wherever those begin. */
export const anyPeriod = fc
  .tuple(
    requests,
    fc.constantFrom<PeriodUnit>('day', 'week', 'month'),
    fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/Los_Angeles'),
  )
  .map(([count, unit, zone]) => calendar(count, unit, START, unit, zone))
export const anyLimit: fc.Arbitrary<Limit> = fc.oneof(gcraLimit, slidingLimit, calendarLimit)

/** One to four limits with names of their own, some of them shadows. */
export const someLimits: fc.Arbitrary<readonly Limit[]> = fc
  .array(fc.tuple(anyLimit, fc.integer({ min: 0, max: 5 })), { minLength: 1, maxLength: 4 })
  .map(list => list.map(([limit, dice], i) => ({ ...limit, name: `limit${i}`, shadow: dice === 0 })))

/** Times between requests, in microseconds: bursts, and pauses of every length. */
export const pauses = (max: number) =>
  fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 0, max: max })), {
    minLength: 1,
    maxLength: 60,
  })
