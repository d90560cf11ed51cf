import assert from 'node:assert/strict'
import { groupBy } from '../../foundation/group-by.ts'

describe('groups', () => {
  it('keep the order of the items, their own and within each', () => {
    const groups = groupBy(['pear', 'fig', 'plum', 'kiwi', 'nut'], fruit => fruit.length)
    assert.deepEqual(
      [...groups],
      [
        [4, ['pear', 'plum', 'kiwi']],
        [3, ['fig', 'nut']],
      ],
    )
    assert.equal(groupBy([], String).size, 0)
  })
})
