import assert from 'node:assert/strict'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { RedisStore } from '../../../plugin-server/stores/redis.ts'
import { listBreakers, orderMode } from '../../../plugins/circuit-breaker/management.ts'
import { type RedisCluster, useRedisCluster } from '../../support/redis-cluster.ts'
import { START_MS } from '../../support/services.ts'
import { until } from '../../support/until.ts'
import { HURRIED, untilHeard } from './hurried-peers.ts'
import { createNode, type SimulatedNode } from './simulated-node.ts'

describe('breakers over a Redis Cluster', function () {
  this.timeout(30_000)
  const BREAKERS = ['service:a', 'service:b', 'service:c', 'service:d']
  let cluster: RedisCluster
  const stores: RedisStore[] = []
  const nodes: SimulatedNode[] = []

  before(async function () {
    this.timeout(START_MS)
    cluster = await useRedisCluster()
  })
  after(async () => {
    for (const node of nodes) await node.registry.close()
    for (const store of stores) await store.close()
    await cluster?.close()
  })

  async function addNode(name: string, key: string): Promise<SimulatedNode> {
    const parts = {
      clock: systemClock,
      log: createLogger('silent'),
      metrics: createMetrics(),
      timers: HURRIED,
    }
    const store = new RedisStore({ urls: cluster.urls, deadlineMs: 2000, node: name, ...parts })
    stores.push(store)
    assert.ok(await store.ready(60_000))
    const node = await createNode({ store, name, key, config: { minimum_calls: 4 } })
    nodes.push(node)
    return node
  }

  it('agree on every master, hear of changes, and can be listed and ordered', async () => {
    for (const key of BREAKERS) {
      const [one, other] = [await addNode('n1', key), await addNode('n2', key)]
      await untilHeard(stores, 2)
      for (const node of [one, other]) for (let i = 0; i < 4; i++) await node.request('failure')
      // A call may fail; the next report, which these nodes make only here, repairs that.
      await until(`${key} is open at both`, async () => {
        await Promise.all([one, other].map(node => node.registry.flush()))
        return [one, other].every(node => node.entry.breaker.shared.phase === 'open')
      })
    }
    const [store] = stores
    const listed = await listBreakers(store!)
    assert.deepEqual(
      listed.map(({ key, snapshot }) => [key, snapshot.phase]).sort(),
      BREAKERS.map(key => [key, 'open']),
    )
    const order = { mode: 'forced-closed', remainingMs: 60_000, actor: 'eddie', reason: 'test' } as const
    await orderMode(store!, BREAKERS[0]!, order)
    await until('the order has come', () =>
      nodes.slice(0, 2).every(node => node.entry.breaker.mode.mode === 'forced-closed'),
    )
  })
})
