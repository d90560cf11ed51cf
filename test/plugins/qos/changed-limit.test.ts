import assert from 'node:assert/strict'
import fc from 'fast-check'
import { withFigures } from '../../../plugins/qos/figures.ts'
import { intervalMicros } from '../../../plugins/qos/gcra.ts'
import { capacityOf, type GcraLimit, type Limit, type Stored } from '../../../plugins/qos/limit.ts'
import { add, availableAt, REFUSED, resetMicros, take } from '../../../plugins/qos/limiter.ts'
import { calendar, gcra, gcraLimit, pauses, SECOND, START, sliding, slidingLimit } from './limits.ts'

const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

describe('a limit whose figures are changed', () => {
  it('leaves of a raised limit at once what is not used of it', () => {
    const cases: [name: string, before: Limit, after: Limit, left: number][] = [
      ['3 to 10 an hour', gcra(3, 3600), gcra(10, 3600), 7],
      ['3 an hour to 3 a minute', gcra(3, 3600), gcra(3, 60), 0],
      ['3 an hour to 10 a minute', gcra(3, 3600), gcra(10, 60), 7],
      ['a larger burst', gcra(60, 3600, 3), gcra(60, 3600, 10), 7],
      ['sliding', sliding(3, 3600), sliding(10, 3600), 7],
      ['sliding, in another window', sliding(3, 60), sliding(10, 3600), 7],
      ['calendar', calendar(3), calendar(10), 7],
      ['calendar, in another period', calendar(3), calendar(10, 'day', START, 'month'), 7],
    ]
    for (const [name, before, after, left] of cases)
      assert.equal(availableAt(after, count(before, undefined, 3, START), START), left, name)
  })

  it('leaves of any other gcra limit what the tokens in use leave of it', () => {
    fc.assert(
      fc.property(
        gcraLimit,
        gcraLimit,
        fc.nat(200),
        fc.nat({ max: 100 * SECOND }),
        (before, after, used, gap) => {
          const state = count(before, undefined, used, START)
          const now = START + gap
          const inUse = tokensInUse(before, state, now)
          assert.equal(availableAt(after, state, now), Math.max(0, after.burst - inUse))
        },
      ),
    )
  })

  it('gives the time back of a limit that is lowered and raised again, but for its rounding', () => {
    fc.assert(
      fc.property(gcraLimit, gcraLimit, fc.nat(200), (first, other, used) => {
        fc.pre(used <= other.burst)
        const state = count(first, undefined, used, START)
        const there = count(other, state, 0, START)
        const back = count(first, there, 0, START)
        assert.ok(tatOf(back) >= tatOf(state))
        assert.ok(availableAt(first, state, START) - availableAt(first, back, START) <= 1)
      }),
    )
  })

  it('never admits more than burst + rate · s under a limit that was lowered, less what was in use', () => {
    fc.assert(
      fc.property(gcraLimit, gcraLimit, fc.nat(300), pauses(30 * SECOND), (before, after, used, gaps) => {
        const stored = count(before, undefined, used, START)
        const inUse = Math.min(after.burst, tokensInUse(before, stored, START))
        let state: Stored | undefined = count(after, stored, 0, START)
        let now = START
        let sum = 0
        for (const gap of gaps) {
          now += gap
          const taken = take([after], [state], { cost: 1, wanted: 1, ahead: 0, reserve: 0 }, now)
          state = taken.states[0]
          if (taken.granted !== REFUSED) sum++
          assert.ok(sum <= after.burst - inUse + (now - START) / intervalMicros(after) + 1)
        }
      }),
    )
  })

  it('counts all of the last window of a sliding limit in one of another length', () => {
    fc.assert(
      fc.property(slidingLimit, slidingLimit, pauses(30 * SECOND), (before, after, gaps) => {
        const admitted: number[] = []
        let state: Stored | undefined
        let now = START
        for (const gap of gaps) {
          now += gap
          const taken = take([before], [state], { cost: 1, wanted: 1, ahead: 0, reserve: 0 }, now)
          state = taken.states[0]
          if (taken.granted !== REFUSED) admitted.push(now)
        }
        const length = Math.min(before.perMicros, after.perMicros)
        const recent = admitted.filter(at => at > now - length).length
        if (before.perMicros === after.perMicros || state === undefined) return
        const counted = withFigures(before, state)
        assert.ok(availableAt(after, counted, now) <= after.requests - recent)
      }),
    )
  })

  it('forgets the counts of another sliding window two windows later', () => {
    for (const [before, after] of [
      [sliding(10, 3600), sliding(10, 60)],
      [sliding(10, 60), sliding(10, 3600)],
    ] as const) {
      const state = count(before, undefined, 10, START)
      assert.equal(availableAt(after, state, START), 0)
      const wait = resetMicros(after, state, START)
      assert.ok(wait <= 2 * after.perMicros, `${wait} µs`)
      const carried = count(after, state, 0, START)
      assert.equal(availableAt(after, carried, START + 2 * after.perMicros), 10)
    }
  })

  it('keeps the count of a period that has not ended, whatever the new one is, and no longer', () => {
    const month = calendar(100, 'quota', START, 'month')
    const day = calendar(10, 'quota')
    const used = count(month, undefined, 9, START)
    assert.equal(availableAt(day, used, START), 1)
    const carried = count(day, used, 0, START)
    const tomorrow = day.bounds[2]
    assert.equal(availableAt(day, carried, tomorrow - 1), 1)
    assert.equal(availableAt(day, carried, tomorrow), 10)
    // Midnight in Los Angeles is eight hours later than in London.
    const [london, angeles] = ['Europe/London', 'America/Los_Angeles'].map(zone =>
      calendar(10, 'quota', START + 18 * HOUR, 'day', zone),
    )
    const late = count(angeles!, undefined, 4, START + 18 * HOUR)
    assert.equal(availableAt(london!, late, START + 18 * HOUR), 6)
  })

  it('is never less than empty, nor more than full', () => {
    const any = fc.oneof(gcraLimit, slidingLimit)
    fc.assert(
      fc.property(any, any, fc.nat(500), fc.nat({ max: HOUR }), (before, after, used, gap) => {
        fc.pre(before.kind === after.kind)
        const state = count(after, count(before, undefined, used, START), 0, START + gap)
        assert.ok(availableAt(after, state, START + gap) <= capacityOf(after))
        if (after.kind === 'gcra') assert.ok(availableAt(after, state, START + gap) >= 0)
      }),
    )
  })
})

/** Debits, and notes by what was counted, as whoever keeps the state does before the figures change. */
function count(limit: Limit, stored: Stored | undefined, cost: number, now: number): Stored {
  return withFigures(limit, add(limit, stored, cost, now))
}

const tatOf = (state: Stored) => (typeof state === 'number' ? state : state[0]!)

/** ⌈(tat − now) / T⌉ in whole quarters of microseconds. */
function tokensInUse(limit: GcraLimit, state: Stored, now: number): number {
  const ahead = BigInt(Math.max(0, (tatOf(state) - now) * 4))
  const interval = BigInt(intervalMicros(limit) * 4)
  return Number((ahead + interval - 1n) / interval)
}
