import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import calculateSlot from 'cluster-key-slot'
import { Redis } from 'ioredis'
import { remainingOf } from '../../../plugins/qos/verdict.ts'
import { type RedisCluster, useRedisCluster } from '../../support/redis-cluster.ts'
import { START_MS } from '../../support/services.ts'
import { createFleet, type Fleet, type Node } from './fleet.ts'
import { gcra } from './limits.ts'

const L = 100

describe('qos when a master of a Redis Cluster dies and its replica takes over', () => {
  let cluster: RedisCluster
  let fleet: Fleet
  let first: Node
  let second: Node

  beforeEach(async function () {
    this.timeout(START_MS)
    cluster = await useRedisCluster(true)
    fleet = await createFleet({
      urls: cluster.urls.slice(0, 3),
      nodes: 2,
      limits: [gcra(L, 86_400 * 30, L, 'slow')],
    })
    ;[first, second] = fleet.nodes as [Node, Node]
  })
  afterEach(async () => {
    await fleet?.close()
    await cluster?.close()
  })

  it('keeps the counts, serves every request meanwhile, and leaves the other masters alone', async function () {
    this.timeout(60_000)
    const here = keyOn(0)
    const elsewhere = keyOn(1)
    assert.equal((await first.decide(here, { cost: 30 })).by, 'store')
    assert.equal((await second.decide(here, { cost: 30 })).by, 'store')
    await sleep(200)
    await cluster.nodes[0]!.kill()
    assert.equal((await first.decide(here)).by, 'local')
    assert.equal((await first.decide(elsewhere)).by, 'store')
    const after = await untilStore(second, here)
    // 60 of before and what was admitted alone meanwhile.
    assert.ok(remainingOf(after, 0) <= 40 && remainingOf(after, 0) >= 20, `${remainingOf(after, 0)}`)
  })

  it('raises the counts where the replica lacks the last writes', async function () {
    this.timeout(60_000)
    const key = keyOn(0)
    assert.equal((await first.decide(key, { cost: 10 })).by, 'store')
    await sleep(200)
    await cluster.replica!.pause()
    const master = new Redis(cluster.urls[0]!)
    await master.call('CLIENT', 'KILL', 'TYPE', 'replica')
    master.disconnect()
    assert.equal((await first.decide(key, { cost: 50 })).by, 'store')
    await cluster.nodes[0]!.kill()
    cluster.replica!.resume()
    const after = await untilStore(first, key)
    assert.ok(remainingOf(after, 0) <= 40, `${remainingOf(after, 0)} are left, and at most 40 should be`)
  })
})

/** A key whose slot the master of this place holds. */
function keyOn(place: number): string {
  const share = Math.ceil(16_384 / 3)
  for (let i = 0; ; i++) {
    const key = `{sluice:qos:failover:${i}}`
    if (Math.floor(calculateSlot(key) / share) === place) return key
  }
}

/** Asks at no cost until the store decides again. */
async function untilStore(node: Node, key: string) {
  for (let i = 0; i < 600; i++) {
    const verdict = await node.decide(key, { cost: 0 })
    if (verdict.by === 'store') return node.decide(key, { cost: 0 })
    await sleep(25)
  }
  throw new Error('the replica did not take over within 15 s')
}
