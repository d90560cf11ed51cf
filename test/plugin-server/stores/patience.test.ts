import assert from 'node:assert/strict'
import type { Timers } from '../../../foundation/timers.ts'
import { Patience } from '../../../plugin-server/stores/patience.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the deadline of a call', () => {
  it('is over when that much time has been looked through', async () => {
    const { patience, pass, late } = createSetting(30)
    patience.wait(late('first'))
    await pass(5, 5, 5, 5, 5)
    assert.deepEqual(late.all, [])
    await pass(5)
    assert.deepEqual(late.all, ['first'])
  })

  it('counts ten milliseconds at most for a time in which the process could not look', async () => {
    const { patience, pass, late } = createSetting(30)
    patience.wait(late('first'))
    await pass(400, 1000)
    assert.deepEqual(late.all, [])
    await pass(90)
    assert.deepEqual(late.all, ['first'])
  })

  it('does not count a stall before the call, nor more of one after it', async () => {
    const { patience, clock, pass, late } = createSetting(30)
    patience.wait(late('first')).isSettled = true
    clock.advance(500)
    patience.wait(late('second'))
    await pass(5, 5, 5, 5)
    assert.deepEqual(late.all, [])
    await pass(5, 5, 5, 5)
    assert.deepEqual(late.all, ['second'])
  })

  it('is no lateness where the answer comes in the turn in which the deadline is over', async () => {
    const { patience, clock, look, late } = createSetting(5)
    const waiter = patience.wait(late('first'))
    clock.advance(5)
    look()
    waiter.isSettled = true
    await turn()
    assert.deepEqual(late.all, [])
  })

  it('tells each waiter once, in their order, and only those who still wait', async () => {
    const { patience, pass, late } = createSetting(10)
    const waiters = Array.from({ length: 100 }, (_, i) => patience.wait(late(String(i))))
    for (const [i, waiter] of waiters.entries()) waiter.isSettled = i % 10 !== 0
    await pass(5)
    patience.wait(late('later'))
    await pass(5)
    assert.deepEqual(late.all, ['0', '10', '20', '30', '40', '50', '60', '70', '80', '90'])
    await pass(5, 5)
    assert.equal(late.all.at(-1), 'later')
    assert.equal(late.all.length, 11)
  })

  it('looks only while somebody waits', async () => {
    const { patience, pass, late, isLooking } = createSetting(30)
    assert.ok(!isLooking())
    const waiter = patience.wait(late('first'))
    await pass(5)
    assert.ok(isLooking())
    waiter.isSettled = true
    await pass(5)
    assert.ok(!isLooking())
  })

  it('tells nobody once it is closed', async () => {
    const { patience, clock, look, late } = createSetting(5)
    patience.wait(late('first'))
    clock.advance(5)
    look()
    patience.close()
    await turn()
    assert.deepEqual(late.all, [])
  })
})

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

function createSetting(deadlineMs: number) {
  const clock = createTestClock()
  let looks: (() => void) | undefined
  const timers: Timers = {
    after: () => assert.fail('only repeats'),
    every(_, callback) {
      looks = callback
      return () => {
        looks = undefined
      }
    },
  }
  const all: string[] = []
  const late = Object.assign((name: string) => () => void all.push(name), { all })
  const look = () => looks?.()
  return {
    clock,
    patience: new Patience(deadlineMs, clock, timers),
    late,
    look,
    isLooking: () => looks !== undefined,
    /** Looks after each of these times, as a timer would. */
    async pass(...ms: number[]) {
      for (const each of ms) {
        clock.advance(each)
        look()
        await turn()
      }
    },
  }
}
