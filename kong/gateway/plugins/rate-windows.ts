import { BoundedMap } from '../../../foundation/bounded-map.ts'

/** From the shortest to the longest; a month counts as 30 days and a year as 365, except for where they begin. */
export const PERIOD_SECONDS = {
  second: 1,
  minute: 60,
  hour: 3_600,
  day: 86_400,
  month: 2_592_000,
  year: 31_536_000,
} as const

export type Period = keyof typeof PERIOD_SECONDS

export const PERIODS = Object.keys(PERIOD_SECONDS) as readonly Period[]

/** Milliseconds since the epoch at which the period around `nowMs` began, UTC. */
export function periodStart(period: Period, nowMs: number): number {
  const date = new Date(nowMs)
  if (period === 'year') return Date.UTC(date.getUTCFullYear(), 0)
  if (period === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
  const lengthMs = PERIOD_SECONDS[period] * 1_000
  return Math.floor(nowMs / lengthMs) * lengthMs
}

/** About 20 MB; Kong's dictionary has 12 MB and evicts the least recently used. */
const MAX_COUNTERS = 100_000

/** The counters of the policy `local`, which start again with each period. */
export class WindowCounters {
  readonly #counts = new BoundedMap<number>(MAX_COUNTERS)

  get(subject: string, period: Period, nowMs: number): number {
    return this.#counts.get(keyOf(subject, period, nowMs)) ?? 0
  }

  add(subject: string, period: Period, nowMs: number, count: number): void {
    const key = keyOf(subject, period, nowMs)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count)
  }
}

const keyOf = (subject: string, period: Period, nowMs: number) =>
  `${subject}:${periodStart(period, nowMs)}:${period}`
