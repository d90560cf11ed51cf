import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CountWindow, TimeWindow } from '../../../plugins/circuit-breaker/window.ts'

interface Sample {
  readonly waitMs: number
  readonly failure: boolean
  readonly slow: boolean
}

const samples = fc.array(
  fc.record({ waitMs: fc.integer({ min: 0, max: 3000 }), failure: fc.boolean(), slow: fc.boolean() }),
  { maxLength: 200, size: 'max' },
)

const sum = (calls: readonly Sample[]) => ({
  calls: calls.length,
  failures: calls.filter(c => c.failure).length,
  slow: calls.filter(c => c.slow).length,
})

describe('a time window', () => {
  it('holds exactly the calls of its buckets', () => {
    fc.assert(
      fc.property(
        samples,
        fc.constantFrom(1, 2, 7, 10),
        fc.constantFrom(100, 1000),
        (calls, buckets, bucketMs) => {
          const window = new TimeWindow(buckets * bucketMs, buckets)
          const seen: (Sample & { readonly bucket: number })[] = []
          let now = 123_456
          for (const call of calls) {
            now += call.waitMs
            window.add(call.failure, call.slow, now)
            seen.push({ ...call, bucket: Math.floor(now / bucketMs) })
            const newest = Math.floor(now / bucketMs)
            const { calls: n, failures, slow } = window
            assert.deepEqual({ calls: n, failures, slow }, sum(seen.filter(s => s.bucket > newest - buckets)))
          }
        },
      ),
    )
  })

  it('forgets everything after a pause longer than itself', () => {
    const window = new TimeWindow(10_000, 10)
    window.add(true, true, 5000)
    window.expire(14_999)
    assert.equal(window.failures, 1)
    window.expire(15_000)
    assert.deepEqual([window.calls, window.failures, window.slow], [0, 0, 0])
  })

  it('starts anew when it is cleared', () => {
    const window = new TimeWindow(10_000, 10)
    window.add(true, false, 5000)
    window.clear()
    window.add(false, false, 5100)
    assert.deepEqual([window.calls, window.failures], [1, 0])
  })
})

describe('a count window', () => {
  it('holds exactly the last calls', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 50 }), (calls, size) => {
        const window = new CountWindow(size)
        calls.forEach((call, i) => {
          window.add(call.failure, call.slow)
          const { calls: n, failures, slow } = window
          assert.deepEqual({ calls: n, failures, slow }, sum(calls.slice(Math.max(0, i + 1 - size), i + 1)))
        })
      }),
    )
  })
})
