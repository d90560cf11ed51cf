import assert from 'node:assert/strict'
import { PERIODS, periodStart, WindowCounters } from '../../../../kong/gateway/plugins/rate-windows.ts'

const at = (text: string) => Date.parse(`${text}Z`)

describe('the windows of rate-limiting', () => {
  it('begin with the calendar, in UTC', () => {
    const now = at('2024-02-29T13:14:15.678')
    assert.deepEqual(
      PERIODS.map(period => new Date(periodStart(period, now)).toISOString()),
      [
        '2024-02-29T13:14:15.000Z',
        '2024-02-29T13:14:00.000Z',
        '2024-02-29T13:00:00.000Z',
        '2024-02-29T00:00:00.000Z',
        '2024-02-01T00:00:00.000Z',
        '2024-01-01T00:00:00.000Z',
      ],
    )
  })

  it('count each subject by itself, and anew in the next window', () => {
    const counters = new WindowCounters()
    const last = at('2024-12-31T23:59:59')
    const next = at('2025-01-01T00:00:00')
    for (const period of PERIODS) {
      counters.add('a', period, last, 2)
      counters.add('a', period, last, 1)
      assert.equal(counters.get('a', period, last), 3)
      assert.equal(counters.get('b', period, last), 0)
      assert.equal(counters.get('a', period, next), 0)
    }
  })
})
