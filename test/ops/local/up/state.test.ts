import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { identify, runs } from '../../../../ops/local/up/state.ts'

describe('the identity of a process', () => {
  it('holds while it runs, and not after its end', async () => {
    const child = spawn('sleep', ['60'])
    const identity = identify(child.pid)
    assert.equal(runs(identity), true)
    child.kill()
    await once(child, 'exit')
    assert.equal(runs(identity), false)
  })

  it('is not that of another process with the same number', () => {
    const self = identify(process.pid)!
    assert.equal(runs(self), true)
    assert.equal(runs({ ...self, startTime: '1' }), false)
  })
})
