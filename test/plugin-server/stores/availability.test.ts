import assert from 'node:assert/strict'
import type { Timers } from '../../../foundation/timers.ts'
import { Availability } from '../../../plugin-server/stores/availability.ts'

describe('the breaker around a server', () => {
  it('opens at a refusal, probes with growing pauses, and closes at the first answer', async () => {
    const { availability, timers, answer, changes } = createBreaker()
    assert.ok(availability.up)
    availability.fail('refused')
    availability.fail('refused again')
    assert.ok(!availability.up)
    const pauses: number[] = []
    for (let i = 0; i < 8; i++) {
      pauses.push(timers.fire())
      await answer(false)
    }
    assert.deepEqual(pauses, [25, 50, 100, 200, 400, 500, 500, 500])
    timers.fire()
    await answer(true)
    assert.ok(availability.up)
    assert.deepEqual(changes, ['false refused', 'true answers again'])
    assert.equal(timers.pending, 0)
  })

  it('does not hold late calls of before against a server that is back', async () => {
    const { availability, answer, timers } = createBreaker()
    for (let i = 0; i < 3; i++) availability.late('late', 0)
    assert.ok(!availability.up)
    await answer(false)
    timers.fire()
    await answer(true)
    availability.late('late', 0)
    assert.ok(availability.up)
  })

  it('begins with short pauses again at the next failure', async () => {
    const { availability, timers, answer } = createBreaker()
    for (const _ of [1, 2]) {
      availability.fail('refused')
      assert.equal(timers.fire(), 25)
      await answer(false)
      assert.equal(timers.fire(), 50)
      await answer(true)
    }
  })

  it('stays closed after a late call when the server then answers a probe', async () => {
    const { availability, answer, probes, changes } = createBreaker()
    for (const atMs of [0, 1000, 2000]) {
      availability.late('late', atMs)
      assert.ok(availability.up)
      await answer(true)
    }
    assert.equal(probes(), 3)
    assert.deepEqual(changes, [])
  })

  it('opens after a late call when the probe is late too', async () => {
    const { availability, answer, changes } = createBreaker()
    availability.late('late', 0)
    availability.late('late', 1)
    assert.ok(availability.up)
    await answer(false)
    assert.ok(!availability.up)
    assert.deepEqual(changes, ['false late'])
  })

  it('opens without waiting for the probe when half of the calls are late', async () => {
    const { availability, answer, timers } = createBreaker()
    for (let i = 0; i < 4; i++) availability.answered(0)
    for (let i = 0; i < 3; i++) availability.late('late', 0)
    assert.ok(availability.up)
    availability.late('late', 0)
    assert.ok(!availability.up)
    // The probe of the first late call is under way still, and is of use.
    await answer(true)
    assert.ok(availability.up)
    assert.equal(timers.pending, 1)
  })

  it('does not open when few of many calls are late', () => {
    const { availability } = createBreaker()
    for (let i = 0; i < 100; i++) availability.answered(0)
    for (let i = 0; i < 99; i++) availability.late('late', 0)
    assert.ok(availability.up)
  })

  it('probes at once on a hint, and only one probe at a time', async () => {
    const { availability, answer, probes } = createBreaker()
    availability.hint()
    assert.equal(probes(), 0)
    availability.fail('refused')
    availability.hint()
    availability.hint()
    assert.equal(probes(), 1)
    await answer(true)
    assert.ok(availability.up)
  })

  it('is silent once it is closed for good', async () => {
    const { availability, timers, answer, changes } = createBreaker()
    availability.fail('refused')
    timers.fire()
    availability.close()
    await answer(true)
    assert.equal(availability.up, false)
    assert.equal(changes.length, 1)
    assert.equal(timers.pending, 0)
  })
})

function createBreaker() {
  const changes: string[] = []
  const timers = createTimers()
  let probes = 0
  let settle: (answered: boolean) => void = () => {}
  const availability = new Availability(true, {
    timers,
    deadlineMs: 50,
    onChange: (available, reason) => changes.push(`${available} ${reason}`),
    probe() {
      probes++
      return new Promise((resolve, reject) => {
        settle = answered => (answered ? resolve(undefined) : reject(new Error('late')))
      })
    },
  })
  return {
    availability,
    timers,
    changes,
    probes: () => probes,
    async answer(answered: boolean) {
      settle(answered)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

function createTimers() {
  let set: { callback: () => void; delayMs: number } | undefined
  const timers: Timers = {
    after(delayMs, callback) {
      const mine = { callback, delayMs }
      set = mine
      return () => {
        if (set === mine) set = undefined
      }
    },
    every: () => assert.fail('nothing repeats here'),
  }
  return {
    ...timers,
    get pending() {
      return set ? 1 : 0
    },
    /** Lets the timer go off; gives its delay. */
    fire(): number {
      assert.ok(set, 'no timer is set')
      const { callback, delayMs } = set
      set = undefined
      callback()
      return delayMs
    },
  }
}
