import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BoundedMap } from '../../foundation/bounded-map.ts'

describe('a bounded map', () => {
  const names = fc.nat({ max: 12 }).map(String)

  it('keeps the newest entries, whatever is set again meanwhile', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(names), (limit, sets) => {
        const map = new BoundedMap<number>(limit)
        for (const [i, name] of sets.entries()) map.set(name, i)
        const newest = [...new Set(sets.toReversed())].slice(0, limit)
        for (let name = 0; name <= 12; name++) {
          const expected = newest.includes(String(name)) ? sets.lastIndexOf(String(name)) : undefined
          assert.equal(map.get(String(name)), expected)
        }
      }),
    )
  })

  it('keeps them through many times its size', () => {
    const map = new BoundedMap<number>(100)
    for (let i = 0; i < 10_000; i++) map.set(`${i}`, i)
    assert.equal(map.get('9899'), undefined)
    assert.equal(map.get('9900'), 9900)
    assert.equal(map.get('9999'), 9999)
  })
})
