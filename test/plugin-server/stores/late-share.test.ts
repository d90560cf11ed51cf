import assert from 'node:assert/strict'
import { LateShare } from '../../../plugin-server/stores/late-share.ts'

describe('the share of late calls', () => {
  const note = (share: LateShare, late: number, ok: number, atMs: number) => {
    for (let i = 0; i < ok; i++) share.note(false, atMs)
    for (let i = 0; i < late; i++) share.note(true, atMs)
  }

  it('is high from three late calls on, and from half of all', () => {
    for (const [late, ok, isHigh] of [
      [2, 0, false],
      [3, 0, true],
      [3, 3, true],
      [3, 4, false],
      [50, 51, false],
      [51, 51, true],
    ] as const) {
      const share = new LateShare(100)
      note(share, late, ok, 0)
      assert.equal(share.isHigh, isHigh, `${late} late of ${late + ok}`)
    }
  })

  it('counts this window and the one before, and nothing older', () => {
    const share = new LateShare(100)
    note(share, 3, 0, 0)
    note(share, 0, 3, 150)
    assert.ok(share.isHigh)
    note(share, 0, 1, 160)
    assert.ok(!share.isHigh)
    note(share, 3, 0, 260)
    assert.ok(!share.isHigh)
    note(share, 3, 0, 500)
    assert.ok(share.isHigh)
  })

  it('is of late calls only where all others are older than that', () => {
    const share = new LateShare(100)
    note(share, 0, 9, 0)
    note(share, 3, 0, 200)
    assert.ok(share.isHigh)
  })

  it('is not high any more once it has been cleared', () => {
    const share = new LateShare(100)
    note(share, 9, 0, 0)
    share.clear()
    assert.ok(!share.isHigh)
  })
})
