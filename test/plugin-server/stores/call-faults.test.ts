import assert from 'node:assert/strict'
import { createLogger } from '../../../foundation/log.ts'
import { CallFaults } from '../../../plugin-server/stores/call-faults.ts'

describe('the faults of calls to Redis', () => {
  it('are logged once a minute for each kind, with their number, and shown for a minute', () => {
    let nowMs = 0
    const told: unknown[] = []
    const log = createLogger('silent')
    log.error = (about: unknown) => void told.push((about as { count: number }).count)
    const faults = new CallFaults(log, () => nowMs)
    const add = (message: string) => faults.add('script', '{a:b:c}', new Error(message))
    add('MOVED 1 10.0.0.1:6379')
    add('MOVED 2 10.0.0.2:6379')
    add('a script failed')
    assert.deepEqual(told, [1, 1])
    assert.match(faults.problem ?? '', /MOVED: this server belongs to a Redis Cluster.*; .*unknown: /)
    nowMs = 60_000
    assert.equal(faults.problem, undefined)
    add('MOVED 3 10.0.0.3:6379')
    assert.deepEqual(told, [1, 1, 2])
    for (let i = 0; i < 100; i++) add(`${'A'.repeat(i + 1)} another one`)
    assert.equal(told.length, 21)
  })
})
