import assert from 'node:assert/strict'
import fc from 'fast-check'
import { InFlight, longestLifeMs } from '../../../plugins/qos/in-flight.ts'

describe('how long a request can be in flight', () => {
  const service = { connectTimeoutMs: 1000, writeTimeoutMs: 2000, readTimeoutMs: 3000, retries: 2 }

  it('follows from the time-outs and retries of its service', () => {
    assert.equal(longestLifeMs(service, {}), 3 * 6000 + 10_000)
    const { retries, ...once } = service
    assert.equal(longestLifeMs(once, {}), 6000 + 10_000, 'over ProtoBuf no retries arrive as nothing')
  })

  it("follows from Kong's defaults where the service is not known", () => {
    assert.equal(longestLifeMs(undefined, {}), 6 * 180_000 + 10_000)
  })

  it('is a day for streams, and at most that', () => {
    const day = 86_400_000
    assert.equal(longestLifeMs(service, { upgrade: 'websocket' }), day)
    assert.equal(longestLifeMs(service, { accept: 'text/event-stream' }), day)
    assert.equal(longestLifeMs({ ...service, readTimeoutMs: 2_147_483_646 }, {}), day)
    assert.notEqual(longestLifeMs(service, { upgrade: 'h2c', accept: 'text/html' }), day)
  })
})

describe('what subjects have in flight', () => {
  it('is what a plain list says, whatever lasts how long', () => {
    const steps = fc.array(
      fc.record({
        subject: fc.constantFrom('a', 'b'),
        lifeMs: fc.constantFrom(10, 100, 1000),
        waitMs: fc.nat(60),
        leaves: fc.option(fc.nat(30), { nil: undefined }),
      }),
      { maxLength: 80, size: 'max' },
    )
    fc.assert(
      fc.property(steps, sequence => {
        const inFlight = new InFlight()
        let listed: { id: number; subject: string; untilMs: number }[] = []
        let nowMs = 0
        for (const [id, { subject, lifeMs, waitMs, leaves }] of sequence.entries()) {
          nowMs += waitMs
          inFlight.expire(nowMs)
          listed = listed.filter(one => one.untilMs > nowMs)
          inFlight.enter(id, subject, lifeMs, nowMs)
          listed.push({ id, subject, untilMs: nowMs + lifeMs })
          if (leaves !== undefined) {
            inFlight.leave(leaves)
            listed = listed.filter(one => one.id !== leaves)
          }
          for (const name of ['a', 'b'])
            assert.equal(inFlight.countOf(name), listed.filter(one => one.subject === name).length)
        }
      }),
    )
  })
})
