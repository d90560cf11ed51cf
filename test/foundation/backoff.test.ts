import assert from 'node:assert/strict'
import { doublingMs } from '../../foundation/backoff.ts'

describe('the pause before another attempt', () => {
  it('doubles from the first to the longest, however many have failed', () => {
    const pauses = [0, 1, 2, 3, 4, 1000, Number.MAX_SAFE_INTEGER].map(attempt => doublingMs(attempt, 50, 500))
    assert.deepEqual(pauses, [50, 100, 200, 400, 500, 500, 500])
  })
})
