import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createRandom, VirtualTime } from '../../../bench/virtual-time.ts'
import { type Admission, Overload } from '../../../plugins/qos/overload.ts'

const GOLD = { priority: 9 }
const BRONZE = { priority: 1 }

describe('adaptive concurrency', () => {
  it('admits up to its limit and sheds above', () => {
    const overload = new Overload({ initialLimit: 10 })
    for (let i = 0; i < 10; i++) assert.equal(overload.enter(BRONZE, 0).outcome, 'admitted')
    assert.deepEqual(overload.enter(BRONZE, 0), { outcome: 'shed', reason: 'overload', retryAfterSeconds: 1 })
    assert.equal(overload.inFlight, 10)
  })

  it('grows while answers are as fast as usual, and shrinks when they slow down', () => {
    const overload = new Overload({ initialLimit: 20 })
    run(overload, 0, 100, 50)
    const grown = overload.limit
    assert.ok(grown > 40, `${grown}`)
    run(overload, 100, 120, 400)
    assert.ok(overload.limit < grown / 2, `${overload.limit}`)
  })

  it('does not grow below half use', () => {
    const overload = new Overload({ initialLimit: 20 })
    for (let i = 0; i < 1000; i++) overload.leave(slotOf(overload.enter(BRONZE, i)), 50, i + 1)
    assert.equal(overload.limit, 20)
  })

  it('keeps room for what higher priorities have lately needed, and gives it up when they are gone', () => {
    const overload = new Overload({ initialLimit: 20 })
    const gold = Array.from({ length: 9 }, () => slotOf(overload.enter(GOLD, 0)))
    for (const slot of gold) overload.leave(slot, undefined, 1)
    let bronze = 0
    while (overload.enter(BRONZE, 1).outcome === 'admitted') bronze++
    assert.equal(bronze, 9)
    assert.equal(overload.enter(GOLD, 1).outcome, 'admitted')
    while (overload.enter(BRONZE, 30_000).outcome === 'admitted') bronze++
    assert.equal(bronze, 18)
  })

  it('bounds the requests that one subject has in flight', () => {
    const overload = new Overload()
    const alice = { ...BRONZE, subject: 'alice', concurrency: 2 }
    const first = overload.enter(alice, 0)
    overload.enter(alice, 0)
    assert.deepEqual(overload.enter(alice, 0), {
      outcome: 'shed',
      reason: 'concurrency',
      retryAfterSeconds: 1,
    })
    assert.equal(overload.enter({ ...alice, subject: 'bob' }, 0).outcome, 'admitted')
    overload.leave(slotOf(first), 10, 1)
    assert.equal(overload.enter(alice, 1).outcome, 'admitted')
  })

  it('takes slots back that nobody gave back, and counts them', () => {
    const overload = new Overload({ initialLimit: 3, slotMs: 1000 })
    const slots = [0, 1, 2].map(ms => slotOf(overload.enter({ ...BRONZE, subject: 'a', concurrency: 3 }, ms)))
    assert.equal(overload.enter(BRONZE, 999).outcome, 'shed')
    assert.equal(overload.enter(BRONZE, 1000).outcome, 'admitted')
    assert.equal(overload.lost, 1)
    assert.equal(overload.leave(slots[0]!, 50, 1000), false)
    assert.equal(overload.leave(slots[2]!, 50, 1000), true)
    assert.equal(overload.leave(slots[2]!, 50, 1000), false)
  })

  it('counts a stream against its subject for as long as it can last, and not as load', () => {
    const overload = new Overload({ initialLimit: 1, slotMs: 1000 })
    const streaming = { ...BRONZE, subject: 'a', concurrency: 1, lifeMs: 5000 }
    const slot = slotOf(overload.enter(streaming, 0))
    assert.equal(overload.inFlight, 1)
    assert.equal(overload.enter({ ...streaming, lifeMs: 1000 }, 4999).outcome, 'shed')
    assert.equal(overload.inFlight, 0)
    assert.equal(overload.enter({ ...BRONZE, subject: 'b', concurrency: 1 }, 4999).outcome, 'admitted')
    assert.equal(overload.leave(slot, 10, 4999), false)
    assert.equal(overload.enter(streaming, 6000).outcome, 'admitted', 'its log event came')
    assert.equal(overload.enter(streaming, 10_999).outcome, 'shed')
    assert.equal(overload.enter(streaming, 11_000).outcome, 'admitted', 'its log event was lost')
  })

  it('backs off when the upstream refuses, once for all that was in flight', () => {
    const overload = new Overload({ initialLimit: 100 })
    const slots = Array.from({ length: 50 }, () => slotOf(overload.enter(BRONZE, 0)))
    for (const slot of slots.splice(0, 2)) overload.leave(slot, 'refused', 1)
    assert.equal(overload.limit, 100, 'two may be their own doing')
    for (const slot of slots) overload.leave(slot, 'refused', 2)
    assert.equal(overload.limit, 80)
    for (let i = 0; i < 3; i++) overload.leave(slotOf(overload.enter(BRONZE, 3)), 'refused', 4)
    assert.equal(overload.limit, 64)
  })

  it('does not back off for a resource that always refuses, among many that answer', () => {
    const overload = new Overload({ initialLimit: 100 })
    for (let ms = 0; ms < 10_000; ms++)
      overload.leave(slotOf(overload.enter(BRONZE, ms)), ms % 30 === 0 ? 'refused' : 5, ms)
    assert.equal(overload.limit, 100)
  })

  it('is never below its least, above its most, or wrong about what is in flight, whatever comes', () => {
    const step = fc.record({
      enters: fc.boolean(),
      priority: fc.integer({ min: -3, max: 20 }),
      which: fc.nat(50),
      tookMs: fc.oneof(fc.double(), fc.integer({ min: 0, max: 5000 }), fc.constant('refused' as const)),
      gapMs: fc.nat(2000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), steps => {
        const overload = new Overload({ minLimit: 4, maxLimit: 50, slotMs: 10_000 })
        const open: number[] = []
        let nowMs = 0
        for (const { enters, priority, which, tookMs, gapMs } of steps) {
          nowMs += gapMs
          if (enters) {
            const admission = overload.enter({ priority }, nowMs)
            if (admission.outcome === 'admitted') open.push(admission.slot)
          } else if (open.length > 0) overload.leave(open.splice(which % open.length, 1)[0]!, tookMs, nowMs)
          assert.ok(overload.limit >= 4 && overload.limit <= 50)
          assert.ok(overload.inFlight >= 0 && overload.inFlight <= Math.max(50, open.length))
        }
      }),
    )
  })

  it('keeps gold above 95 % while bronze is shed, where without it nobody is served', async function () {
    this.timeout(30_000)
    const without = await saturate(undefined, Number.POSITIVE_INFINITY)
    const withIt = await saturate(new Overload(), Number.POSITIVE_INFINITY)
    assert.ok(without.gold < 0.5, `without shedding gold has ${without.gold}`)
    assert.ok(withIt.gold >= 0.95, `gold has ${withIt.gold}`)
    assert.ok(withIt.bronze > 0.2 && withIt.bronze < 0.7, `bronze has ${withIt.bronze}`)
    assert.ok(withIt.served > 0.8, `${withIt.served} of what the upstream can do was used`)
  })

  it('keeps gold above 95 % also where the upstream refuses soon, and so answers fast', async function () {
    this.timeout(30_000)
    const without = await saturate(undefined, 10)
    const withIt = await saturate(new Overload(), 10)
    assert.ok(without.gold < 0.7, `without shedding gold has ${without.gold}`)
    assert.ok(withIt.gold >= 0.95, `gold has ${withIt.gold}`)
    assert.ok(withIt.served > 0.7, `${withIt.served} of what the upstream can do was used`)
  })
})

function slotOf(admission: Admission): number {
  assert.equal(admission.outcome, 'admitted')
  return (admission as { slot: number }).slot
}

/** Fills the upstream to its limit again and again. */
function run(overload: Overload, from: number, to: number, tookMs: number): void {
  for (let round = from; round < to; round++) {
    const nowMs = round * 1000
    const slots: number[] = []
    for (;;) {
      const admission = overload.enter(BRONZE, nowMs)
      if (admission.outcome === 'shed') break
      slots.push(admission.slot)
    }
    for (const slot of slots) overload.leave(slot, tookMs, nowMs + 400)
  }
}

/**
 * An upstream that serves 20 requests at once, 50 ms each: 400 a second. 100 gold and 600 bronze a second come; a
 * client waits one second. Gives the shares that were answered in time, after a warm-up.
 *
 * @param queue requests that may wait in the upstream; it refuses the others at once.
 */
async function saturate(overload: Overload | undefined, queue: number) {
  const time = new VirtualTime()
  const random = createRandom(42)
  const waiting: (() => void)[] = []
  let busy = 0
  const counts = { gold: { sent: 0, ok: 0 }, bronze: { sent: 0, ok: 0 } }

  const begin = () => {
    if (busy >= 20) return
    const next = waiting.shift()
    if (!next) return
    busy++
    time.at(time.nowMs + 25 + 50 * random(), () => {
      busy--
      next()
      begin()
    })
  }
  const request = (name: 'gold' | 'bronze', priority: number) => {
    const sentMs = time.nowMs
    const count = counts[name]
    const isCounted = sentMs > 5000
    if (isCounted) count.sent++
    const admission = overload?.enter({ priority }, sentMs)
    if (admission?.outcome === 'shed') return
    if (busy >= 20 && waiting.length >= queue) {
      if (admission) time.at(sentMs + 1, () => overload!.leave(admission.slot, 'refused', time.nowMs))
      return
    }
    waiting.push(() => {
      const tookMs = time.nowMs - sentMs
      if (admission) overload!.leave(admission.slot, tookMs, time.nowMs)
      if (isCounted && tookMs <= 1000) count.ok++
    })
    begin()
  }
  for (let ms = 0; ms < 20_000; ms++) {
    if (random() < 0.1) time.at(ms + random(), () => request('gold', 9))
    if (random() < 0.6) time.at(ms + random(), () => request('bronze', 1))
  }
  await time.run(20_000)
  const { gold, bronze } = counts
  return {
    gold: gold.ok / gold.sent,
    bronze: bronze.ok / bronze.sent,
    served: (gold.ok + bronze.ok) / (400 * 15),
  }
}
