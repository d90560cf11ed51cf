import assert from 'node:assert/strict'
import { Names } from '../../../plugins/circuit-breaker/names.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the addresses of fallbacks', () => {
  it('are asked for once in a while, and once for all that wait', async () => {
    const clock = createTestClock()
    let asked = 0
    const names = new Names(clock, async () => `10.0.0.${++asked}`)
    const both = await Promise.all([names.addressOf('a'), names.addressOf('a')])
    assert.deepEqual(both, ['10.0.0.1', '10.0.0.1'])
    clock.advance(4999)
    assert.equal(await names.addressOf('a'), '10.0.0.1')
    assert.equal(await names.addressOf('b'), '10.0.0.2')
    clock.advance(1)
    assert.equal(await names.addressOf('a'), '10.0.0.1', 'nobody waits for what is known')
    await new Promise(setImmediate)
    assert.equal(await names.addressOf('a'), '10.0.0.3')
  })

  it('stay as they were while the name server fails', async () => {
    const clock = createTestClock()
    let fails = false
    const names = new Names(clock, async () => {
      if (fails) throw new Error('SERVFAIL')
      return '10.0.0.1'
    })
    await names.addressOf('a')
    fails = true
    clock.advance(60_000)
    await names.addressOf('a')
    await new Promise(setImmediate)
    assert.equal(await names.addressOf('a'), '10.0.0.1')
  })

  it('are not waited for when the name server is silent', async () => {
    const names = new Names(createTestClock(), () => new Promise(() => {}))
    assert.equal(await names.addressOf('a'), undefined)
  })
})
