import assert from 'node:assert/strict'
import { FallbackResolver } from '../../../plugins/circuit-breaker/fallback-resolver.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the addresses of fallbacks', () => {
  it('are asked for once in a while, and once for all that wait', async () => {
    const clock = createTestClock()
    let asked = 0
    const resolver = new FallbackResolver(clock, async () => `10.0.0.${++asked}`)
    const both = await Promise.all([resolver.addressOf('a'), resolver.addressOf('a')])
    assert.deepEqual(both, ['10.0.0.1', '10.0.0.1'])
    clock.advance(4999)
    assert.equal(await resolver.addressOf('a'), '10.0.0.1')
    assert.equal(await resolver.addressOf('b'), '10.0.0.2')
    clock.advance(1)
    assert.equal(await resolver.addressOf('a'), '10.0.0.1', 'nobody waits for what is known')
    await new Promise(setImmediate)
    assert.equal(await resolver.addressOf('a'), '10.0.0.3')
  })

  it('stay as they were while the name server fails', async () => {
    const clock = createTestClock()
    let fails = false
    const resolver = new FallbackResolver(clock, async () => {
      if (fails) throw new Error('SERVFAIL')
      return '10.0.0.1'
    })
    await resolver.addressOf('a')
    fails = true
    clock.advance(60_000)
    await resolver.addressOf('a')
    await new Promise(setImmediate)
    assert.equal(await resolver.addressOf('a'), '10.0.0.1')
  })

  it('are not waited for when the name server is silent', async () => {
    const resolver = new FallbackResolver(createTestClock(), () => new Promise(() => {}))
    assert.equal(await resolver.addressOf('a'), undefined)
  })
})
