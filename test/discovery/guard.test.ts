import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decideRemovals, EMPTY_MEMORY, type GuardMemory } from '../../discovery/guard.ts'

const LIMITS = { holdMs: 30_000, emptyAfterMs: 600_000 }

/** An upstream that follows the guard's word. */
class Upstream {
  present: string[]
  memory: GuardMemory = EMPTY_MEMORY
  nowMs = 0

  constructor(...present: string[]) {
    this.present = present
  }

  /** @returns what goes */
  see(...wanted: string[]): readonly string[] {
    // New ones come before old ones go.
    this.present = [...new Set([...this.present, ...wanted])]
    const verdict = decideRemovals(
      { present: this.present, wanted: new Set(wanted) },
      this.memory,
      this.nowMs,
      LIMITS,
    )
    this.memory = verdict.memory
    this.present = this.present.filter(address => !verdict.remove.includes(address))
    assert.deepEqual([...verdict.held].sort(), this.present.filter(one => !wanted.includes(one)).sort())
    return verdict.remove
  }
}

describe('the guard of upstreams', () => {
  it('lets one of two go at once, and the last one stay', () => {
    const upstream = new Upstream('a', 'b')
    assert.deepEqual(upstream.see('b'), ['a'])
    assert.deepEqual(upstream.see(), [])
    assert.deepEqual(upstream.present, ['b'])
  })

  it('lets all be replaced by as many others at once', () => {
    const upstream = new Upstream('a', 'b', 'c')
    assert.deepEqual(upstream.see('d', 'e', 'f'), ['a', 'b', 'c'])
  })

  it('lets more than half go only after they have been missing for the time', () => {
    const upstream = new Upstream('a', 'b', 'c', 'd', 'e')
    assert.deepEqual(upstream.see('e'), ['a', 'b'])
    upstream.nowMs = 29_999
    assert.deepEqual(upstream.see('e'), [])
    upstream.nowMs = 30_000
    assert.deepEqual(upstream.see('e'), ['c', 'd'])
  })

  it('counts what goes one by one together', () => {
    const upstream = new Upstream('a', 'b', 'c', 'd')
    assert.deepEqual(upstream.see('b', 'c', 'd'), ['a'])
    assert.deepEqual(upstream.see('c', 'd'), ['b'])
    assert.deepEqual(upstream.see('d'), [])
    upstream.nowMs = 30_000
    assert.deepEqual(upstream.see('d'), ['c'])
  })

  it('begins the time anew when a target has passed in between', () => {
    const upstream = new Upstream('a', 'b', 'c')
    upstream.see('c')
    upstream.nowMs = 20_000
    upstream.see('a', 'b', 'c')
    upstream.nowMs = 40_000
    assert.deepEqual(upstream.see('c'), ['a'])
  })

  it('lets the last ones go when Consul names no other for long', () => {
    const upstream = new Upstream('a', 'b')
    assert.deepEqual(upstream.see(), [])
    upstream.nowMs = 599_999
    assert.deepEqual(upstream.see(), [])
    upstream.nowMs = 600_000
    assert.deepEqual(upstream.see(), ['a', 'b'])
  })

  it('follows instances that replace each other one by one', () => {
    const upstream = new Upstream('a')
    for (const next of ['b', 'c', 'd', 'e']) {
      const [last] = upstream.present
      assert.deepEqual(upstream.see(last!, next), [])
      assert.deepEqual(upstream.see(next), [last])
    }
  })

  it('keeps half of what an upstream had within the time, whatever Consul says', () => {
    const address = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
    const word = fc.record({ wanted: fc.uniqueArray(address), afterMs: fc.integer({ min: 0, max: 4_999 }) })
    fc.assert(
      fc.property(
        fc.uniqueArray(address, { minLength: 1 }),
        fc.array(word, { maxLength: 5 }),
        (start, words) => {
          const upstream = new Upstream(...start)
          let peak = 0
          for (const { wanted, afterMs } of words) {
            upstream.nowMs += afterMs
            peak = Math.max(peak, new Set([...upstream.present, ...wanted]).size)
            upstream.see(...wanted)
            assert.ok(upstream.present.length >= Math.ceil(peak / 2))
            assert.ok(wanted.every(one => upstream.present.includes(one)))
          }
        },
      ),
    )
  })

  it('comes to what Consul says when Consul stays with it', () => {
    const address = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
    fc.assert(
      fc.property(fc.uniqueArray(address), fc.uniqueArray(address, { minLength: 1 }), (start, wanted) => {
        const upstream = new Upstream(...start)
        upstream.see(...wanted)
        upstream.nowMs += LIMITS.holdMs
        upstream.see(...wanted)
        assert.deepEqual([...upstream.present].sort(), [...wanted].sort())
      }),
    )
  })
})
