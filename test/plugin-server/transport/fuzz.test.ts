import assert from 'node:assert/strict'
import { fuzz } from '../../support/fuzz.ts'

describe('mutated frames', () => {
  for (const seed of [1, 2026, 0x5eed])
    it(`end their own connection at most, and every other event is served (seed ${seed})`, async function () {
      this.timeout(60_000)
      const { crashes, refused, served, sent } = await fuzz({ frames: 35_000, seed })
      assert.deepEqual(crashes, [])
      assert.ok(refused > 1000, `${refused} refused`)
      assert.equal(sent, 35)
      assert.equal(served, sent)
    })
})
