import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { InFlight, longestLifeMs } from '../../../plugins/qos/in-flight.ts'
import { member } from '../../../plugins/qos/member.ts'
import type { Tier } from '../../../plugins/qos/policy.ts'
import { LEFT_CHANNEL, type Mark, Shedding } from '../../../plugins/qos/shedding.ts'
import { partial } from '../../support/partial.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { settled } from './held-store.ts'

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

describe('what several processes behind one Kong have in flight', () => {
  const setUp = () => {
    const clock = createTestClock()
    const store = new MemoryStore({ clock, metrics: createMetrics() })
    const publish = () => Promise.resolve()
    const [one, other] = [1, 2].map(
      () => new Shedding({ clock, store, metrics: createMetrics(), events: { publish } }),
    ) as [Shedding, Shedding]
    const tier = partial<Tier>({ name: 'bronze', priority: 5, concurrency: 1 })
    const enter = () => one.enter('shop', undefined, { tier, subject: 'alice' })
    return { store, one, other, enter }
  }
  /** The log event of a request comes to the process. */
  const hear = async (shedding: Shedding, qos: Mark) => {
    const kong = { log: { serialize: async () => ({ sluice: { qos } }) } }
    const context = { memory: { shedding }, instance: { watches: true } }
    await member.phases.log?.(kong as never, context as never)
    await settled()
  }

  it('ends with the log event, whichever of them Kong sends it to', async () => {
    const { one, other, enter } = setUp()
    const first = enter()
    assert.ok(first.outcome === 'admitted')
    assert.equal(enter().outcome, 'shed')
    await hear(other, { service: 'shop', slot: first.slot, boot: one.boot })
    assert.equal(enter().outcome, 'admitted')
    assert.equal(enter().outcome, 'shed')
    one.close()
    other.close()
  })

  it('is left alone by log events of a process that is gone, and by messages of others', async () => {
    const { store, one, other, enter } = setUp()
    const first = enter()
    assert.ok(first.outcome === 'admitted')
    await hear(other, { service: 'shop', slot: first.slot, boot: 'gone' })
    for (const message of ['', 'null', '[]', '[null]', '[{"service":"shop"}]', '[{"slot":1}]'])
      await store.publish(LEFT_CHANNEL + one.boot, message)
    await settled()
    assert.equal(enter().outcome, 'shed')
    one.close()
    other.close()
  })
})
