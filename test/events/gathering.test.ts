import assert from 'node:assert/strict'
import { Gathering } from '../../events/gathering.ts'
import { systemClock } from '../../foundation/clock.ts'
import { systemTimers } from '../../foundation/timers.ts'

describe('a gathering', () => {
  const HOUR_MS = 3_600_000
  let batches: string[]
  const open = (gatherMs: number, taken: Promise<unknown> = Promise.resolve()) => {
    batches = []
    const take = (items: readonly string[]) => {
      batches.push(items.join(''))
      return taken
    }
    return new Gathering<string>({ clock: systemClock, timers: systemTimers, gatherMs, enough: 3, take })
  }

  it('hands the first item over at once, and those behind it when there are enough', async () => {
    const gathering = open(HOUR_MS)
    await gathering.add('a')
    await Promise.all(['b', 'c', 'd'].map(item => gathering.add(item)))
    assert.deepEqual(batches, ['a', 'bcd'])
  })

  it('hands over what there is when the time is up', async () => {
    const gathering = open(5)
    await gathering.add('a')
    await Promise.all([gathering.add('b'), gathering.add('c')])
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
