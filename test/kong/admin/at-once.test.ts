import assert from 'node:assert/strict'
import { AT_ONCE, mapAtOnce } from '../../../kong/admin/at-once.ts'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

describe('requests at once', () => {
  it('are so many and no more, and give their results in the order of the items', async () => {
    let active = 0
    let most = 0
    const items = Array.from({ length: 50 }, (_, i) => i)
    const results = await mapAtOnce(items, async i => {
      most = Math.max(most, ++active)
      for (let turns = 0; turns < (i * 7) % 5; turns++) await turn()
      active--
      return i * 2
    })
    assert.deepEqual([results, most], [items.map(i => i * 2), AT_ONCE])
  })

  it('end with the first failure, and nothing more is started', async () => {
    const started: number[] = []
    const mapped = mapAtOnce(
      Array.from({ length: 50 }, (_, i) => i),
      async i => {
        started.push(i)
        await turn()
        if (i === 3) throw new Error('three')
      },
    )
    await assert.rejects(mapped, { message: 'three' })
    for (let turns = 0; turns < 20; turns++) await turn()
    assert.ok(started.length <= 2 * AT_ONCE, String(started.length))
  })
})
