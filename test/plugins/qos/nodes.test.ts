import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { KongConnection } from '../../support/fake-kong.ts'
import { type ServerProcess, startServerProcess } from '../../support/server-process.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'

const PROCESSES = 4
const REQUESTS = 1000
const BUDGET = 437

describe('qos over four plugin servers that share a Redis', () => {
  let redis: Service
  let servers: ServerProcess[] = []

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
    // What is granted while an answer is late has its own tests: here a busy machine is no outage.
    const env = { SLUICE_REDIS_URL: redis.url, SLUICE_REDIS_DEADLINE_MS: '1000' }
    servers = await Promise.all(Array.from({ length: PROCESSES }, () => startServerProcess(env)))
  })
  after(async function () {
    this.timeout(30_000)
    await Promise.all(servers.map(server => server.close()))
    await redis?.close()
  })

  // The first: the servers have decided nothing yet.
  it('admits exactly the budget of 1,000 concurrent requests in strict mode from a cold start', async function () {
    this.timeout(60_000)
    const limits = [{ name: 'hour', requests: BUDGET, per: 3600, algorithm: 'sliding' }]
    const config = { tiers: { free: { limits } }, default_tier: 'free', sync: 'strict' }
    assert.deepEqual(await storm('cold', config), { 200: BUDGET, 429: REQUESTS - BUDGET })
  })

  it('admits exactly the budget in strict mode while Redis stops for 100 ms again and again', async function () {
    this.timeout(60_000)
    const limits = [{ name: 'hour', requests: BUDGET, per: 3600, algorithm: 'sliding' }]
    const config = { tiers: { free: { limits } }, default_tier: 'free', sync: 'strict' }
    let isOn = true
    const stops = (async () => {
      while (isOn) {
        await redis.pause()
        await sleep(100)
        await redis.resume()
        await sleep(50)
      }
    })()
    try {
      assert.deepEqual(await storm('stops', config), { 200: BUDGET, 429: REQUESTS - BUDGET })
    } finally {
      isOn = false
      await stops
    }
  })

  it('keeps several limits at once in strict mode', async function () {
    this.timeout(60_000)
    const limits = [
      { name: 'hour', requests: 300, per: 3600, algorithm: 'sliding' },
      { name: 'day', requests: 10_000, per: 86_400, burst: 400 },
      { name: 'month', requests: 100_000, algorithm: 'calendar', period: 'month' },
    ]
    const config = { tiers: { free: { limits } }, default_tier: 'free', sync: 'strict' }
    assert.deepEqual(await storm('strict', config), { 200: 300, 429: 700 })
  })

  it('admits the budget within the tolerance in leased mode', async function () {
    this.timeout(60_000)
    // Processes take tokens ahead once all have counted all.
    await untilPeers(redis.url, PROCESSES)
    const limits = [{ name: 'hour', requests: 500, per: 3600, algorithm: 'sliding' }]
    const config = { tiers: { free: { limits } }, default_tier: 'free', sync: 'leased', lease_tolerance: 0.1 }
    const { 200: admitted = 0 } = await storm('leased', config)
    assert.ok(admitted >= 450 && admitted <= 500, `${admitted} of 500 were admitted`)
  })

  /** Sends all requests at once, spread over the servers, each on a connection of its own; counts the answers. */
  async function storm(consumer: string, config: object): Promise<Record<number, number>> {
    const connections: KongConnection[] = []
    try {
      const events: (() => Promise<number>)[] = []
      for (const server of servers) {
        const first = await server.connect()
        connections.push(first)
        const instance = await first.startInstance('qos', { ...config, __plugin_id: 'p', __seq__: 1 })
        for (let i = 0; i < REQUESTS / PROCESSES; i++) {
          const connection = await server.connect()
          connections.push(connection)
          events.push(async () => {
            const result = await connection.event(instance, 'access', ({ method }) =>
              method === 'kong.client.get_consumer' ? { id: consumer, username: consumer } : undefined,
            )
            assert.ok(result.outcome === 'ended' || result.outcome === 'exited', result.outcome)
            return result.exit ? Number(result.exit[0]) : 200
          })
        }
      }
      const counts: Record<number, number> = {}
      for (const status of await Promise.all(events.map(send => send())))
        counts[status] = (counts[status] ?? 0) + 1
      return counts
    } finally {
      for (const connection of connections) connection.close()
    }
  }
})

/** Waits until that many processes have each told four times that they live. */
async function untilPeers(url: string, count: number): Promise<void> {
  const client = new Redis(url)
  const beats = new Map<string, Set<string>>()
  try {
    while (beats.size < count || [...beats.values()].some(seen => seen.size < 4)) {
      const peers = await client.hgetall('{sluice:peers}')
      for (const [id, until] of Object.entries(peers)) beats.set(id, (beats.get(id) ?? new Set()).add(until))
      await sleep(50)
    }
  } finally {
    client.disconnect()
  }
}
