import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isTimeZone, type PeriodUnit, periodBounds } from '../../../plugins/qos/periods.ts'

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'America/Sao_Paulo',
  'Asia/Beirut',
]
const UNITS: readonly PeriodUnit[] = ['day', 'week', 'month']

describe('calendar periods', () => {
  it('hold the present, follow each other without a gap, and begin on the day they should, in every zone', () => {
    const time = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2040, 0, 1) })
    fc.assert(
      fc.property(fc.constantFrom(...UNITS), fc.constantFrom(...ZONES), time, (unit, zone, nowMs) => {
        const [before, present, next, end] = periodBounds(unit, zone, nowMs)
        assert.ok(before < present && present <= nowMs && nowMs < next && next < end)
        assert.deepEqual(periodBounds(unit, zone, next).slice(0, 3), [present, next, end])
        assert.deepEqual(periodBounds(unit, zone, present - 1).slice(1), [before, present, next])
        const [day, dayBefore] = [local(zone, present), local(zone, present - 1)]
        assert.notEqual(day.date, dayBefore.date)
        if (unit === 'month') assert.equal(day.day, 1)
        if (unit === 'week') assert.equal(day.weekday, 'Mon')
      }),
      // Samoa had no 30 December 2011.
      { numRuns: 400, examples: [['day', 'Pacific/Apia', Date.UTC(2011, 11, 29, 10)]] },
    )
  })

  it('are as long as the zone makes them when its clocks change', () => {
    const hours = (zone: string, year: number, month: number, day: number) => {
      const [, present, next] = periodBounds('day', zone, Date.UTC(year, month - 1, day, 12))
      return (next - present) / 3_600_000
    }
    assert.equal(hours('Europe/Berlin', 2026, 3, 29), 23)
    assert.equal(hours('Europe/Berlin', 2026, 10, 25), 25)
    assert.equal(hours('Australia/Lord_Howe', 2026, 4, 5), 24.5)
    // Clocks went forward at midnight: the day begins at one.
    assert.equal(hours('America/Sao_Paulo', 2018, 11, 4), 23)
    assert.equal(hours('UTC', 2026, 3, 29), 24)
  })

  it('know which names are time zones', () => {
    assert.ok(isTimeZone('Europe/Berlin'))
    for (const name of ['', 'Mars/Olympus', 'Europe/Berlin ', '../etc/passwd'])
      assert.equal(isTimeZone(name), false)
  })
})

function local(zone: string, ms: number): { date: string; day: number; weekday: string } {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    weekday: 'short',
  }).formatToParts(ms)
  const part = (type: string) => parts.find(p => p.type === type)!.value
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    day: Number(part('day')),
    weekday: part('weekday'),
  }
}
