import assert from 'node:assert/strict'
import { Deadlines } from '../../../plugin-server/runtime/deadlines.ts'

describe('deadlines', () => {
  it('tell each owner once, in the order in which they come, and not those that were cancelled', async () => {
    const told: string[] = []
    const deadlines = new Deadlines(() => performance.now())
    const done = new Promise<void>(resolve => {
      const start = (name: string, ms: number) =>
        deadlines.start(ms, {
          expired() {
            told.push(name)
            if (name === 'last') resolve()
          },
        })
      start('last', 40)
      start('a', 10)
      const b = start('b', 10)
      start('c', 10)
      const only = start('only', 15)
      b.cancel()
      b.cancel()
      only.cancel()
    })
    await done
    assert.deepEqual(told, ['a', 'c', 'last'])
  })

  it('do not take an owner that begins another one for its own', async () => {
    const deadlines = new Deadlines(() => performance.now())
    let times = 0
    await new Promise<void>(resolve => {
      const again = {
        expired() {
          times++
          if (times === 3) resolve()
          else deadlines.start(5, again)
        },
      }
      deadlines.start(5, again)
    })
    assert.equal(times, 3)
  })
})
