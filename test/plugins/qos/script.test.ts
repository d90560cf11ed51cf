import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { withFigures } from '../../../plugins/qos/figures.ts'
import { fieldOf, type Limit, type Stored } from '../../../plugins/qos/limit.ts'
import { createLimitSet, formatOverrides, type LimitSet } from '../../../plugins/qos/limit-set.ts'
import { add, REFUSED, take } from '../../../plugins/qos/limiter.ts'
import {
  NOTHING_REMEMBERED,
  type Remembered,
  type TakeArguments,
  type Taken,
  takeScript,
} from '../../../plugins/qos/script.ts'
import type { StoredHash } from '../../../sdk/store.ts'
import { START_MS, sharedRedis } from '../../support/services.ts'
import {
  anyPeriod,
  calendar,
  calendarLimit,
  gcra,
  gcraLimit,
  SECOND,
  START,
  sliding,
  slidingLimit,
  someLimits,
} from './limits.ts'

/** The script with its clock in our hands: everything but TIME is as it will run. */
const LUA = takeScript.lua.replace("redis.call('TIME')", '{ARGV[2], ARGV[3]}')

const once = (cost: number) => ({ cost, wanted: cost, ahead: 0, reserve: 0 })
const PREFIX = `{test:qos-script:${process.pid}}`

describe('the script of the limiter', function () {
  // Thousands of calls of Redis, one after the other.
  this.timeout(120_000)
  let redis: Redis
  let sha: string
  let keys = 0

  before(async function () {
    this.timeout(START_MS)
    const { url } = await sharedRedis()
    redis = new Redis(url)
    sha = (await redis.script('LOAD', LUA)) as string
  })
  after(() => redis.disconnect())

  const freshKey = () => `${PREFIX}:${keys++}`

  async function inRedis(key: string, args: TakeArguments, now: number): Promise<Taken> {
    const argv = takeScript.encode!(args)
    const time = [Math.floor(now / SECOND), now % SECOND]
    return takeScript.decode((await redis.evalsha(sha, 1, key, ...argv, ...time)) as string)
  }

  function inMemory(hash: StoredHash, args: TakeArguments, now: number) {
    const { result, expireInMs } = takeScript.apply(hash, args, now)
    return { ...result, expireInMs }
  }

  it('answers as the pure limiter does and as memory does, whatever comes', async () => {
    const step = fc.record({
      gap: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 0, max: 100 * SECOND }),
      ),
      cost: fc.integer({ min: 0, max: 30 }),
      more: fc.integer({ min: 0, max: 10 }),
      ahead: fc.integer({ min: 0, max: 10 }),
      reserve: fc.integer({ min: 0, max: 20 }),
      operation: fc.constantFrom('take', 'take', 'take', 'add'),
      back: fc.boolean(),
    })
    const steps = fc.array(step, { minLength: 1, maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(someLimits, steps, async (limits, list) => {
        const limitSet = createLimitSet(limits)
        const key = freshKey()
        const hash: StoredHash = new Map()
        let states: readonly (Stored | undefined)[] = []
        let remembered = NOTHING_REMEMBERED
        let now = START
        for (const { gap, cost, more, ahead, reserve, operation, back } of list) {
          now += gap
          const demand =
            operation === 'take'
              ? { cost, wanted: cost + more, ahead, reserve }
              : once(back ? 0 - cost : cost)
          const args = { ...demand, limitSet, operation, remembered, forced: false } as TakeArguments
          const { expireInMs, ...memory } = inMemory(hash, args, now)
          const lua = await inRedis(key, args, now)
          assert.deepEqual(lua, memory)
          if (operation === 'take') {
            const pure = take(limits, states, demand, now)
            assert.equal(lua.granted, pure.granted)
            assert.deepEqual(lua.overrun, pure.overrun)
            states = pure.states
          } else if (cost < 0 === back || cost === 0 || lua.granted !== 0)
            states = limits.map((limit, i) => add(limit, states[i], lua.granted, now))
          assert.deepEqual(
            lua.states,
            limits.map((limit, i) => add(limit, states[i], 0, now)),
          )
          if (lua.granted > 0) {
            const ttl = await redis.pttl(key)
            assert.ok(ttl > expireInMs - 5000 && ttl <= expireInMs, `lives ${ttl}, not ${expireInMs} ms`)
          }
          remembered = lua
        }
        await redis.del(key)
      }),
      { numRuns: 150 },
    )
  })

  it('refuses as memory does, and no longer than two windows, where the clock steps back', async () => {
    const steps = fc.array(
      fc.record({
        gap: fc.oneof(
          { weight: 6, arbitrary: fc.integer({ min: 0, max: 100 * SECOND }) },
          { weight: 1, arbitrary: fc.integer({ min: -400_000 * SECOND, max: 0 }) },
        ),
        cost: fc.integer({ min: 0, max: 30 }),
      }),
      { minLength: 1, maxLength: 25 },
    )
    await fc.assert(
      fc.asyncProperty(someLimits, steps, async (limits, list) => {
        const limitSet = createLimitSet(limits)
        const key = freshKey()
        const hash: StoredHash = new Map()
        let now = START
        for (const { gap, cost } of list) {
          now += gap
          const args: TakeArguments = {
            ...once(cost),
            limitSet,
            operation: 'take',
            remembered: NOTHING_REMEMBERED,
            forced: false,
          }
          const { expireInMs, ...memory } = inMemory(hash, args, now)
          assert.deepEqual(await inRedis(key, args, now), memory)
        }
        await redis.del(key)
      }),
      { numRuns: 100 },
    )
    for (const limit of [gcra(60, 60), sliding(60, 60)]) {
      const limitSet = createLimitSet([limit])
      const key = freshKey()
      const ask = (cost: number, now: number) => {
        const args = { ...once(cost), limitSet, remembered: NOTHING_REMEMBERED, forced: false }
        return inRedis(key, { ...args, operation: 'take' }, now)
      }
      assert.equal((await ask(60, START)).granted, 60)
      const then = START - 3600 * SECOND
      assert.equal((await ask(1, then)).granted, REFUSED)
      assert.equal((await ask(60, then + 120 * SECOND)).granted, 60)
      await redis.del(key)
    }
  })

  it('carries the counts over to other figures as memory does', async () => {
    const kinds = [gcraLimit, slidingLimit, calendarLimit, anyPeriod] as const
    const variants = fc
      .constantFrom(...kinds)
      .chain(kind => fc.array(kind as fc.Arbitrary<Limit>, { minLength: 2, maxLength: 4 }))
    const step = fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 * SECOND })),
      cost: fc.integer({ min: 0, max: 30 }),
      variant: fc.nat(),
      isLost: fc.integer({ min: 0, max: 9 }).map(dice => dice === 0),
    })
    const steps = fc.array(step, { minLength: 2, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(variants, steps, async (limits, list) => {
        const limitSets = limits.map(limit => createLimitSet([{ ...limit, name: 'one' }]))
        const key = freshKey()
        const hash: StoredHash = new Map()
        let remembered: Remembered = NOTHING_REMEMBERED
        let now = START
        for (const { gap, cost, variant, isLost } of list) {
          now += gap
          if (isLost) {
            await redis.del(key)
            hash.clear()
          }
          const limitSet = limitSets[variant % limitSets.length]!
          const args: TakeArguments = {
            ...once(cost),
            limitSet,
            operation: 'take',
            remembered,
            forced: false,
          }
          const { expireInMs, ...memory } = inMemory(hash, args, now)
          const lua = await inRedis(key, args, now)
          assert.deepEqual(lua, memory)
          assert.deepEqual(plain(await redis.hgetall(key)), plain(Object.fromEntries(hash)))
          // A node that follows a change of its limits notes by what the states were counted.
          const [limit] = limitSet.limits as [Limit]
          const states = lua.states.map(state => withFigures(limit, state!))
          remembered = { generation: lua.generation, states }
        }
        await redis.del(key)
      }),
      { numRuns: 150 },
    )
  })

  it('takes its time from Redis, and has it in every answer', async () => {
    const limitSet = createLimitSet([gcra(10, 60)])
    const args = {
      ...once(1),
      limitSet,
      operation: 'take',
      remembered: NOTHING_REMEMBERED,
      forced: false,
    } as const
    const before = Date.now()
    const reply = await redis.eval(takeScript.lua, 1, freshKey(), ...takeScript.encode!(args))
    const { nowMicros } = takeScript.decode(reply as string)
    assert.ok(nowMicros / 1000 >= before - 5 && nowMicros / 1000 <= Date.now() + 5)
  })

  const limitSet = createLimitSet([gcra(10, 60), sliding(20, 3600), calendar(50)])
  const ask = (more: Partial<TakeArguments> = {}): TakeArguments => ({
    ...once(1),
    limitSet,
    operation: 'take',
    remembered: NOTHING_REMEMBERED,
    forced: false,
    ...more,
  })

  /** Runs in both stores and demands the same answer. */
  function both() {
    const key = freshKey()
    const hash: StoredHash = new Map()
    return {
      async run(args: TakeArguments, now: number): Promise<Taken> {
        const lua = await inRedis(key, args, now)
        const { expireInMs, ...memory } = inMemory(hash, args, now)
        assert.deepEqual(lua, memory)
        return lua
      },
      async lose() {
        await redis.del(key)
        hash.clear()
      },
      async set(field: string, value: string) {
        await redis.hset(key, field, value)
        hash.set(field, value)
      },
    }
  }

  it('brings a lost hash back from what a node remembers, the strictest memory first', async () => {
    const { run, lose } = both()
    await run(ask({ ...once(3) }), START)
    const earlier = await run(ask({ ...once(2) }), START + 1000)
    const later = await run(ask({ ...once(4), remembered: earlier }), START + 2000)
    await lose()
    const stranger = await run(ask(), START + 3000)
    assert.equal(left(stranger, limitSet, 0), 9)
    const first = await run(ask({ remembered: earlier }), START + 4000)
    assert.equal(left(first, limitSet, 0), 4)
    const second = await run(ask({ remembered: later }), START + 5000)
    assert.equal(left(second, limitSet, 0), 0)
    assert.equal(left(second, limitSet, 2), 40)
  })

  it('lets the stored counts stand while the hash is the same', async () => {
    const { run } = both()
    const before = await run(ask({ ...once(8) }), START)
    await run(ask({ ...once(-6), operation: 'add', remembered: before }), START)
    const after = await run(ask({ remembered: before }), START)
    assert.equal(left(after, limitSet, 0), 7)
  })

  it('raises the stored counts where the node was told that writes may be lost', async () => {
    const { run } = both()
    const before = await run(ask({ ...once(8) }), START)
    await run(ask({ ...once(-6), operation: 'add', remembered: before }), START)
    const after = await run(ask({ remembered: before, forced: true }), START)
    assert.equal(left(after, limitSet, 0), 1)
  })

  it('gives nothing back to a hash that is not the one it was taken from', async () => {
    const { run, lose } = both()
    const before = await run(ask({ ...once(5) }), START)
    await lose()
    await run(ask({ ...once(4) }), START + 1000)
    const after = await run(
      ask({ ...once(-5), operation: 'add', remembered: { ...before, states: [] } }),
      START + 1000,
    )
    assert.equal(after.granted, 0)
    assert.equal(left(after, limitSet, 0), 6)
  })

  it('lets a reset stand against every memory of before', async () => {
    const { run, lose, set } = both()
    const before = await run(ask({ ...once(10) }), START)
    await lose()
    await set('b', 'r123')
    for (const forced of [false, true]) {
      const after = await run(ask({ cost: 0, wanted: 0, remembered: before, forced }), START)
      assert.equal(left(after, limitSet, 0), 10)
      assert.equal(after.generation, 'r123')
    }
  })

  it('follows an override until its time is over', async () => {
    const { run, set } = both()
    const until = START + 100 * SECOND
    const change = [{ field: fieldOf(limitSet.limits[0]!), requests: 100, burst: 15, untilMicros: until }]
    await set('o', formatOverrides(change))
    assert.equal((await run(ask({ ...once(15) }), START)).granted, 15)
    assert.equal((await run(ask(), START)).granted, -1)
    // At 100 a minute another one comes in 0.6 s; after the override, at 10 a minute.
    assert.equal((await run(ask(), START + 0.6 * SECOND)).granted, 1)
    assert.equal((await run(ask({ ...once(4) }), until)).granted, 4)
    assert.equal((await run(ask({ ...once(7) }), until)).granted, -1)
  })

  it('tells overrides as they are stored, whatever an operator called a limit', async () => {
    const { run, set } = both()
    const text = `g:it's "odd" 5 5 ${START + SECOND};`
    await set('o', text)
    assert.equal((await run(ask(), START)).overrides, text)
  })
})

/** A hash of either store: text, and fractions of numbers as JavaScript writes them. */
const plain = (hash: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(hash).map(([field, value]) => [
      field,
      String(value).replace(/\d+\.\d+/g, number => String(Number(number))),
    ]),
  )

function left(taken: Taken, limitSet: LimitSet, place: number): number {
  const probe = { cost: 0, wanted: Number.POSITIVE_INFINITY, ahead: 0, reserve: 0 }
  return take([limitSet.limits[place]!], [taken.states[place]], probe, taken.nowMicros).granted
}
