import assert from 'node:assert/strict'
import fc from 'fast-check'
import { intervalMicros } from '../../../plugins/qos/gcra.ts'
import { capacityOf, type Limit, type Stored } from '../../../plugins/qos/limit.ts'
import { add, availableAt, REFUSED, resetMicros, retryMicros, take } from '../../../plugins/qos/limiter.ts'
import {
  anyLimit,
  calendar,
  gcra,
  gcraLimit,
  pauses,
  SECOND,
  START,
  sliding,
  slidingLimit,
  someLimits,
} from './limits.ts'

type States = readonly (Stored | undefined)[]
const ask = (cost: number) => ({ cost, wanted: cost, ahead: 0, reserve: 0 })
const FRESH: States = [undefined, undefined, undefined, undefined]

describe('the limiter', () => {
  it('never admits more than burst + rate · s in any span s (gcra)', () => {
    fc.assert(
      fc.property(
        gcraLimit,
        pauses(30 * SECOND),
        fc.array(fc.integer({ min: 1, max: 20 })),
        (limit, gaps, costs) => {
          const admitted = play([limit], gaps, costs)
          for (let i = 0; i < admitted.length; i++) {
            let sum = 0
            for (let j = i; j < admitted.length; j++) {
              sum += admitted[j]!.cost
              const span = admitted[j]!.at - admitted[i]!.at
              assert.ok(sum <= limit.burst + span / intervalMicros(limit), `${sum} in ${span} µs`)
            }
          }
        },
      ),
    )
  })

  it('never admits more than the limit in a window that the clock marks (sliding)', () => {
    fc.assert(
      fc.property(
        slidingLimit,
        pauses(30 * SECOND),
        fc.array(fc.integer({ min: 1, max: 20 })),
        (limit, gaps, costs) => {
          const windows = new Map<number, number>()
          for (const { at, cost } of play([limit], gaps, costs)) {
            const index = Math.floor(at / limit.perMicros)
            windows.set(index, (windows.get(index) ?? 0) + cost)
          }
          for (const count of windows.values()) assert.ok(count <= limit.requests)
        },
      ),
    )
  })

  it('never admits more than the quota between two midnights (calendar)', () => {
    const limit = calendar(10)
    const admitted = play(
      [limit],
      Array.from({ length: 200 }, () => 600 * SECOND),
      [1],
    )
    const days = admitted.map(({ at }) => Math.floor(at / (86_400 * SECOND)))
    assert.equal(days.filter(day => day === days[0]).length, 10)
    assert.equal(days.filter(day => day === days[0]! + 1).length, 10)
  })

  it('changes nothing when it refuses', () => {
    fc.assert(
      fc.property(someLimits, pauses(10 * SECOND), fc.integer({ min: 1, max: 300 }), (limits, gaps, cost) => {
        let states = FRESH
        let now = START
        for (const gap of gaps) {
          now += gap
          const { granted, states: after } = take(limits, states, ask(cost), now)
          if (granted === REFUSED)
            for (const [i, limit] of limits.entries())
              assert.equal(availableAt(limit, after[i], now), availableAt(limit, states[i], now))
          states = after
        }
      }),
    )
  })

  it('debits all limits or none', () => {
    const limits = [gcra(10, 60, 10, 'a'), gcra(3, 60, 3, 'b'), sliding(5, 60, 'c')]
    let states: States = FRESH
    for (let i = 0; i < 3; i++) ({ states } = take(limits, states, ask(1), START))
    const { granted, states: after } = take(limits, states, ask(1), START)
    assert.equal(granted, REFUSED)
    assert.deepEqual(after, states)
    assert.deepEqual(
      limits.map((limit, i) => availableAt(limit, after[i], START)),
      [7, 0, 2],
    )
  })

  it('takes cost n as n costs of 1', () => {
    fc.assert(
      fc.property(
        anyLimit,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 60 }),
        (limit, cost, used) => {
          const start = add(limit, undefined, used, START)
          const once = take([limit], [start], ask(cost), START)
          let states: States = [start]
          let count = 0
          while (count < cost) {
            const step = take([limit], states, ask(1), START)
            if (step.granted === REFUSED) break
            states = step.states
            count++
          }
          assert.equal(once.granted === cost, count === cost)
          if (count === cost) assert.deepEqual(once.states, states)
        },
      ),
    )
  })

  it('tells truly what remains: that much is admitted, and not one more', () => {
    fc.assert(
      fc.property(anyLimit, pauses(10 * SECOND), (limit, gaps) => {
        const { state, now } = use(limit, gaps)
        const left = availableAt(limit, state, now)
        assert.equal(take([limit], [state], ask(left), now).granted, left)
        assert.equal(take([limit], [state], ask(left + 1), now).granted, REFUSED)
      }),
    )
  })

  it('tells truly when to come back: admitted then, refused a microsecond earlier', () => {
    fc.assert(
      fc.property(anyLimit, pauses(10 * SECOND), fc.integer({ min: 1, max: 100 }), (limit, gaps, cost) => {
        const { state, now } = use(limit, gaps)
        const wait = retryMicros(limit, state, cost, now)
        if (cost > capacityOf(limit)) return assert.equal(wait, undefined)
        assert.equal(take([limit], [state], ask(cost), now + wait!).granted, cost)
        if (wait! > 0) assert.equal(take([limit], [state], ask(cost), now + wait! - 1).granted, REFUSED)
      }),
      { numRuns: 1000 },
    )
  })

  it('tells truly when nothing is in use any more', () => {
    fc.assert(
      fc.property(anyLimit, pauses(10 * SECOND), (limit, gaps) => {
        const { state, now } = use(limit, gaps)
        const wait = resetMicros(limit, state, now)
        assert.equal(availableAt(limit, state, now + wait), capacityOf(limit))
      }),
    )
  })

  it('gives back what was taken, and no more', () => {
    fc.assert(
      fc.property(
        anyLimit,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        (limit, taken, back) => {
          const used = add(limit, undefined, taken, START)
          const left = availableAt(limit, add(limit, used, -back, START), START)
          assert.equal(left, Math.min(capacityOf(limit), availableAt(limit, used, START) + back))
        },
      ),
    )
  })

  it('admits no more after a clock has stepped, back or forth and back', () => {
    fc.assert(
      fc.property(anyLimit, fc.integer({ min: -400_000, max: 0 }), (limit, stepSeconds) => {
        const full = add(limit, undefined, capacityOf(limit), START)
        const then = START + stepSeconds * SECOND
        assert.ok(availableAt(limit, full, then) <= 0)
        // And it is not locked out for as long as the clock went back, where time alone refills.
        if (limit.kind === 'gcra')
          assert.ok(retryMicros(limit, full, 1, then)! <= Math.ceil(intervalMicros(limit)))
      }),
    )
  })

  it('lets a shadow limit refuse nothing, debits it only where it would admit, and tells', () => {
    const limits: Limit[] = [gcra(10, 60, 10, 'real'), { ...gcra(2, 60, 2, 'shadow'), shadow: true }]
    let states: States = FRESH
    const overrun: number[][] = []
    for (let i = 0; i < 4; i++) {
      const step = take(limits, states, ask(1), START)
      assert.equal(step.granted, 1)
      overrun.push([...step.overrun])
      states = step.states
    }
    assert.deepEqual(overrun, [[], [], [1], [1]])
    assert.equal(availableAt(limits[0]!, states[0], START), 6)
  })

  it('grants ahead only what leaves the reserve behind', () => {
    const limit = gcra(100, 60)
    const demand = { cost: 1, wanted: 5, ahead: 10, reserve: 20 }
    const at = (used: number) => take([limit], [add(limit, undefined, used, START)], demand, START).granted
    assert.equal(at(0), 15)
    assert.equal(at(70), 10)
    assert.equal(at(90), 5)
    assert.equal(at(97), 3)
    assert.equal(at(100), REFUSED)
  })
})

/** Plays requests and gives those that were admitted. */
function play(limits: readonly Limit[], gaps: readonly number[], costs: readonly number[]) {
  const admitted: { at: number; cost: number }[] = []
  let states: States = FRESH
  let now = START
  for (const [i, gap] of gaps.entries()) {
    now += gap
    const cost = costs[i % Math.max(1, costs.length)] ?? 1
    const step = take(limits, states, ask(cost), now)
    if (step.granted !== REFUSED) admitted.push({ at: now, cost })
    states = step.states
  }
  return admitted
}

/** The state of a limit after requests of cost 1 at these times. */
function use(limit: Limit, gaps: readonly number[]): { state: Stored | undefined; now: number } {
  let states: States = FRESH
  let now = START
  for (const gap of gaps) {
    now += gap
    states = take([limit], states, ask(1), now).states
  }
  return { state: states[0], now }
}
