import assert from 'node:assert/strict'
import { createFairAccept } from '../../../plugin-server/workers/fair-accept.ts'

describe('a worker that has accepted a connection', () => {
  it('leaves the next one to others, but not in a storm', () => {
    let nowMs = 0
    let naps = 0
    const accepted = createFairAccept({ now: () => nowMs, sleep: () => void naps++ })
    for (let n = 0; n < 16; n++) accepted()
    assert.equal(naps, 16)
    for (let n = 0; n < 10_000; n++) {
      nowMs += 0.05
      accepted()
    }
    assert.equal(naps, 100, 'of 10,016 within half a second')
    nowMs += 1_000
    accepted()
    assert.equal(naps, 101)
  })
})
