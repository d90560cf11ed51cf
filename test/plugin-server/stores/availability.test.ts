import assert from 'node:assert/strict'
import { Availability, type Timers } from '../../../plugin-server/stores/availability.ts'

describe('the breaker around a server', () => {
  it('opens at the first failure, probes with growing pauses, and closes at the first answer', async () => {
    const { availability, timers, answer, changes } = createBreaker()
    assert.ok(availability.up)
    availability.fail('late')
    availability.fail('late again')
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
    assert.deepEqual(changes, ['false late', 'true answers again'])
    assert.equal(timers.pending, 0)
  })

  it('begins with short pauses again at the next failure', async () => {
    const { availability, timers, answer } = createBreaker()
    for (const _ of [1, 2]) {
      availability.fail('late')
      assert.equal(timers.fire(), 25)
      await answer(false)
      assert.equal(timers.fire(), 50)
      await answer(true)
    }
  })

  it('probes at once on a hint, and only one probe at a time', async () => {
    const { availability, answer, probes } = createBreaker()
    availability.hint()
    assert.equal(probes(), 0)
    availability.fail('late')
    availability.hint()
    availability.hint()
    assert.equal(probes(), 1)
    await answer(true)
    assert.ok(availability.up)
  })

  it('is silent once it is closed for good', async () => {
    const { availability, timers, answer, changes } = createBreaker()
    availability.fail('late')
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
    set(callback, delayMs) {
      set = { callback, delayMs }
      return set
    },
    clear(timer) {
      if (timer === set) set = undefined
    },
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
