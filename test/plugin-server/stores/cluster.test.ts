import assert from 'node:assert/strict'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import { createLimitSet } from '../../../plugins/qos/limit-set.ts'
import { NOTHING_REMEMBERED, takeScript } from '../../../plugins/qos/script.ts'
import type { Store } from '../../../sdk/store.ts'
import { calendar, gcra, sliding } from '../../plugins/qos/limits.ts'
import { counterScript } from '../../support/counter-script.ts'
import { type RedisCluster, useRedisCluster } from '../../support/redis-cluster.ts'
import { START_MS } from '../../support/services.ts'

describe('the Redis store on a Redis Cluster of three masters', () => {
  let cluster: RedisCluster
  let store: Store

  before(async function () {
    this.timeout(START_MS)
    cluster = await useRedisCluster()
    store = createStore(
      { redisUrl: cluster.urls, redisDeadlineMs: 300 },
      { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') },
    )
    assert.ok(await store.ready(60_000))
  })
  after(async () => {
    await store?.close()
    await cluster?.close()
  })

  it('decides over several limits in one slot, whichever master holds it', async () => {
    const limitSet = createLimitSet([gcra(5, 60), sliding(50, 3600), calendar(500, 'day', Date.now() * 1000)])
    const ask = {
      limitSet,
      cost: 1,
      wanted: 1,
      ahead: 0,
      reserve: 0,
      remembered: NOTHING_REMEMBERED,
      forced: false,
    }
    for (let subject = 0; subject < 60; subject++) {
      const key = `{sluice:qos:all:consumer:${subject}}`
      const granted: number[] = []
      for (let i = 0; i < 6; i++)
        granted.push((await store.run(takeScript, key, { ...ask, operation: 'take' })).granted)
      assert.deepEqual(granted, [1, 1, 1, 1, 1, -1])
    }
    const keys: string[] = []
    for await (const key of store.keys('{sluice:qos:all:')) keys.push(key)
    assert.equal(keys.length, 60)
  })

  it('keeps bytes on the master of their slot', async () => {
    for (let i = 0; i < 30; i++) {
      await store.writeBytes(`{bytes${i}}:value`, Buffer.from([i, 255, 0]), 60_000)
      const [found, none] = await store.readBytes([`{bytes${i}}:value`, `{bytes${i}}:none`])
      assert.deepEqual([...(found?.bytes ?? [])], [i, 255, 0])
      assert.equal(none, undefined)
    }
  })

  it('brings messages to watchers', async () => {
    const heard = new Promise<string>(resolve => store.watch('news', resolve))
    const timer = setInterval(() => void store.publish('news', 'hello').catch(() => {}), 50)
    assert.equal(await heard, 'hello')
    clearInterval(timer)
  })

  it('fails only for the keys of a master that is away, and soon without waiting', async () => {
    const outcomes = async () => {
      const result = { ok: 0, late: 0, away: 0 }
      for (let i = 0; i < 60; i++)
        try {
          await store.run(counterScript, `{k${i}}`, [1, 60_000])
          result.ok++
        } catch (error) {
          if ((error as { code?: string }).code === 'SLUICE_STORE_TIMEOUT') result.late++
          else result.away++
        }
      return result
    }
    assert.deepEqual(await outcomes(), { ok: 60, late: 0, away: 0 })
    await cluster.nodes[1]!.pause()
    try {
      const first = await outcomes()
      // The second one waits beside the probe that the first one has called for.
      assert.equal(first.late, 2)
      assert.ok(first.ok > 25 && first.away > 5, JSON.stringify(first))
      assert.equal(store.available, false)
      assert.equal((await outcomes()).ok, first.ok)
    } finally {
      cluster.nodes[1]!.resume()
    }
    assert.ok(await store.ready(60_000))
    assert.deepEqual(await outcomes(), { ok: 60, late: 0, away: 0 })
  }).timeout(30_000)
})
