import assert from 'node:assert/strict'
import { Deadlines } from '../../../plugin-server/runtime/deadlines.ts'
import { createTestTime } from '../../support/test-time.ts'

describe('deadlines', () => {
  it('tell each owner once, when its time has come, and not those that were cancelled', () => {
    const { clock, timers, advance } = createTestTime()
    const deadlines = new Deadlines(clock, timers)
    const told: string[] = []
    const start = (name: string, ms: number) => deadlines.start(ms, { expired: () => told.push(name) })
    start('last', 40)
    start('a', 10)
    const b = start('b', 10)
    const only = start('only', 15)
    b.cancel()
    b.cancel()
    only.cancel()
    advance(5)
    start('c', 10)
    advance(4)
    assert.deepEqual(told, [])
    advance(1)
    assert.deepEqual(told, ['a'])
    advance(4)
    assert.deepEqual(told, ['a'])
    advance(1)
    assert.deepEqual(told, ['a', 'c'])
    advance(25)
    assert.deepEqual(told, ['a', 'c', 'last'])
    advance(1000)
    assert.deepEqual(told, ['a', 'c', 'last'])
  })

  it('are not met too early by a timer that is', () => {
    const { clock, timers, advance } = createTestTime()
    const early = {
      ...timers,
      after: (ms: number, callback: () => void) => timers.after(Math.max(1, ms - 1), callback),
    }
    const deadlines = new Deadlines(clock, early)
    let atMs = 0
    const startedAtMs = clock.monotonic()
    deadlines.start(10, {
      expired() {
        atMs = clock.monotonic() - startedAtMs
      },
    })
    advance(30)
    assert.ok(atMs >= 10, `after ${atMs} ms`)
  })

  it('do not take an owner that begins another one for its own', () => {
    const { clock, timers, advance } = createTestTime()
    const deadlines = new Deadlines(clock, timers)
    let times = 0
    const again = {
      expired() {
        times++
        if (times < 3) deadlines.start(5, again)
      },
    }
    deadlines.start(5, again)
    advance(100)
    assert.equal(times, 3)
  })

  it('end with what they belong to, and leave no timer that keeps the process alive', () => {
    const { clock, timers, advance } = createTestTime()
    const deadlines = new Deadlines(clock, timers)
    const told: string[] = []
    deadlines.start(60_000, { expired: () => told.push('cancelled') }).cancel()
    deadlines.start(10, { expired: () => told.push('open') })
    deadlines.close()
    advance(100_000)
    assert.deepEqual(told, [])
  })
})
