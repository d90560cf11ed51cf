/** Where days, weeks and months begin in a time zone. */
export type PeriodUnit = 'day' | 'week' | 'month'

interface LocalDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
}

const HOUR_MS = 3_600_000

/** False for a name that the system's time zone data does not know. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * The beginnings of the last, the present and the next period, and the end of that one, in milliseconds since the
 * epoch. A week begins on Monday (ISO 8601).
 */
export function periodBounds(
  unit: PeriodUnit,
  timeZone: string,
  nowMs: number,
): [number, number, number, number] {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  })
  const today = localDate(format, nowMs)
  const begins = (offset: number) => startOfDay(format, periodStart(unit, today, offset))
  // A day that a zone left out to cross the date line begins and ends at once, and is none.
  const from = (offset: number, step: 1 | -1): number =>
    begins(offset + step) === begins(offset) ? from(offset + step, step) : offset + step
  const next = from(0, 1)
  return [begins(from(0, -1)), begins(0), begins(next), begins(from(next, 1))]
}

/** The first day of the period that lies `offset` periods from the one of `date`. */
function periodStart(unit: PeriodUnit, { year, month, day }: LocalDate, offset: number): LocalDate {
  if (unit === 'month') return normalise(year, month + offset, 1)
  if (unit === 'day') return normalise(year, month, day + offset)
  const weekday = (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7
  return normalise(year, month, day - weekday + 7 * offset)
}

function normalise(year: number, month: number, day: number): LocalDate {
  const date = new Date(Date.UTC(year, month - 1, day))
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/**
 * The first instant of a local day. Midnight may not exist (clocks go forward) or exist twice (they go back), so the
 * day's first instant is searched for between the two hours around it.
 */
function startOfDay(format: Intl.DateTimeFormat, { year, month, day }: LocalDate): number {
  const wanted = Date.UTC(year, month - 1, day)
  const isReached = (ms: number) => {
    const date = localDate(format, ms)
    return Date.UTC(date.year, date.month - 1, date.day) >= wanted
  }
  let low = wanted - 15 * HOUR_MS
  let high = wanted + 15 * HOUR_MS
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (isReached(middle)) high = middle
    else low = middle
  }
  return high
}

function localDate(format: Intl.DateTimeFormat, ms: number): LocalDate {
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value)
  return { year: parts.year!, month: parts.month!, day: parts.day! }
}
