import assert from 'node:assert/strict'
import { Gathering, type GatheringOptions } from '../../events/gathering.ts'
import { systemClock } from '../../foundation/clock.ts'
import { systemTimers } from '../../foundation/timers.ts'
import { holdTimers } from '../support/held-timers.ts'
import { createTestClock } from '../support/test-clock.ts'

describe('a gathering', () => {
  const HOUR_MS = 3_600_000
  let batches: string[]
  const open = (
    gatherMs: number,
    taken: Promise<unknown> = Promise.resolve(),
    time: Pick<GatheringOptions<string>, 'clock' | 'timers'> = { clock: systemClock, timers: systemTimers },
  ) => {
    batches = []
    const take = (items: readonly string[]) => {
      batches.push(items.join(''))
      return taken
    }
    return new Gathering<string>({ ...time, gatherMs, enough: 3, take })
  }

  it('hands the first item over at once, and those behind it when there are enough', async () => {
    const gathering = open(HOUR_MS)
    await gathering.add('a')
    await Promise.all(['b', 'c', 'd'].map(item => gathering.add(item)))
    assert.deepEqual(batches, ['a', 'bcd'])
  })

  it('hands over what there is when the time is up', async () => {
    const timers = holdTimers()
    const gathering = open(5, Promise.resolve(), { clock: createTestClock(), timers })
    await gathering.add('a')
    const added = Promise.all([gathering.add('b'), gathering.add('c')])
    await timers.advance(4)
    assert.deepEqual(batches, ['a'])
    await timers.advance(1)
    await added
    assert.deepEqual(batches, ['a', 'bc'])
  })

  it('hands over what there is when told to, once', async () => {
    const gathering = open(HOUR_MS)
    await gathering.add('a')
    const added = gathering.add('b')
    gathering.flush()
    gathering.flush()
    await added
    assert.deepEqual(batches, ['a', 'b'])
  })

  it('answers an item when its batch is done with', async () => {
    let finish = () => {}
    const gathering = open(
      HOUR_MS,
      new Promise<void>(resolve => {
        finish = resolve
      }),
    )
    let answered = false
    const added = gathering.add('a').then(() => {
      answered = true
    })
    await new Promise(setImmediate)
    assert.equal(answered, false)
    finish()
    await added
  })
})
