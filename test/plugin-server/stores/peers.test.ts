import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { beatScript, PeerList } from '../../../plugin-server/stores/peers.ts'
import type { StoredHash } from '../../../sdk/store.ts'
import { START_MS, sharedRedis } from '../../support/services.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the list of peers', () => {
  it('counts with the processes that are expected, until it has heard all that live', async () => {
    const { join, clock } = createSetting()
    const first = join('n1', 4)
    assert.deepEqual(seen(first), [4, 4, false])
    await first.beat()
    assert.deepEqual(seen(first), [4, 4, false])
    const others = [join('n1', 4), join('n2', 4), join('n3', 4), join('n4', 4), join('n5', 4)]
    for (const other of others) await other.beat()
    await first.beat()
    assert.deepEqual(seen(first), [5, 6, false])
    for (const other of others.slice(1)) await other.close()
    clock.advance(3000)
    await first.beat()
    assert.deepEqual(seen(first), [1, 2, true])
  })

  it('keeps what it has heard while the store is away', async () => {
    const { join, cut } = createSetting()
    const [first, second] = [join('n1', 1), join('n2', 1)]
    for (let i = 0; i < 3; i++) for (const peer of [first, second]) await peer.beat()
    cut()
    await first.beat()
    assert.deepEqual(seen(first), [2, 2, true])
  })

  it('counts nobody twice, however few are expected', async () => {
    const { join } = createSetting()
    const alone = join('n1', 1)
    for (let i = 0; i < 3; i++) await alone.beat()
    assert.deepEqual(seen(alone), [1, 1, true])
  })

  it('beats by itself', async () => {
    const { join, tick } = createSetting()
    const peer = join('n1', 9)
    for (let i = 0; i < 3; i++) await tick()
    assert.deepEqual(seen(peer), [1, 1, true])
  })
})

describe('the script of the list of peers', () => {
  let redis: Redis

  before(async function () {
    this.timeout(START_MS)
    redis = new Redis((await sharedRedis()).url)
  })
  after(() => redis?.quit())

  it('counts the same in Redis as in memory, and forgets those that leave', async () => {
    const key = `{test:peers:${process.pid}}`
    const hash: StoredHash = new Map()
    const steps: readonly (readonly [id: string, liveMs: number, nodes: number, processes: number])[] = [
      ['n1/a', 60_000, 1, 1],
      ['n1/b', 60_000, 1, 2],
      ['n2/a', 60_000, 2, 3],
      ['rack/7/a', 60_000, 3, 4],
      ['rack/8/a', 60_000, 4, 5],
      ['n1/a', 60_000, 4, 5],
      ['n1/a', 0, 4, 4],
      ['n1/b', 0, 3, 3],
    ]
    for (const [id, liveMs, nodes, processes] of steps) {
      const { result } = beatScript.apply(hash, { id, liveMs }, Date.now() * 1000)
      const args = beatScript.encode!({ id, liveMs })
      const inRedis = (await redis.eval(beatScript.lua, 1, key, ...args)) as number[]
      assert.deepEqual(result, { nodes, processes }, id)
      assert.deepEqual(beatScript.decode(inRedis), { nodes, processes }, id)
    }
    await redis.del(key)
  })

  it('takes a process that is gone for gone soon, also where the clock of Redis steps back an hour', async () => {
    const key = `{test:peers:${process.pid}:back}`
    const hash: StoredHash = new Map()
    const lua = beatScript.lua.replace("redis.call('TIME')", '{ARGV[3], 0}')
    const beat = async (id: string, seconds: number) => {
      const { result } = beatScript.apply(hash, { id, liveMs: 3500 }, seconds * 1_000_000)
      const reply = (await redis.eval(
        lua,
        1,
        key,
        ...beatScript.encode!({ id, liveMs: 3500 }),
        seconds,
      )) as number[]
      assert.deepEqual(beatScript.decode(reply), result)
      return result.processes
    }
    assert.equal(await beat('n1/gone', 10_000), 1)
    assert.equal(await beat('n2/a', 6400), 2)
    assert.equal(await beat('n2/a', 6404), 1)
    await redis.del(key)
  })

  it('takes a process that is silent for gone', () => {
    const hash: StoredHash = new Map()
    beatScript.apply(hash, { id: 'n1/a', liveMs: 3500 }, 0)
    const { result } = beatScript.apply(hash, { id: 'n2/a', liveMs: 3500 }, 3_500_000)
    assert.deepEqual(result, { nodes: 1, processes: 1 })
  })
})

const seen = ({ nodes, processes, isSettled }: PeerList) => [nodes, processes, isSettled]

function createSetting() {
  const clock = createTestClock()
  const store = new MemoryStore({ clock, metrics: createMetrics() })
  const ticks = new Set<() => void>()
  let isCut = false
  return {
    clock,
    cut: () => {
      isCut = true
    },
    async tick() {
      for (const callback of ticks) callback()
      await new Promise<void>(resolve => setImmediate(resolve))
    },
    join: (node: string, expected: number) =>
      new PeerList({
        node,
        expected,
        timers: {
          after: () => () => {},
          every(_, callback) {
            ticks.add(callback)
            return () => ticks.delete(callback)
          },
        },
        async run(key, beat) {
          if (isCut) throw new Error('away')
          return store.run(beatScript, key, beat)
        },
      }),
  }
}
