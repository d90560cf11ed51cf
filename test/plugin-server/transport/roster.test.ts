import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Listed, Roster } from '../../../plugin-server/transport/roster.ts'

describe('a roster', () => {
  it('holds what was added and not deleted, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), steps => {
        const items: readonly Listed[] = Array.from({ length: 10 }, () => ({ place: 0 }))
        const roster = new Roster()
        const expected = new Set<Listed>()
        for (const step of steps) {
          const item = items[step]!
          if (expected.delete(item)) roster.delete(item)
          else {
            expected.add(item)
            roster.add(item)
          }
          assert.equal(roster.size, expected.size)
          assert.deepEqual(new Set(roster.all()), expected)
        }
      }),
    )
  })
})
