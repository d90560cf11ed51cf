import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { RedisStore } from '../../../plugin-server/stores/redis.ts'
import { listBreakers } from '../../../plugins/circuit-breaker/management.ts'
import type { EventResult, KongConnection, Script } from '../../support/fake-kong.ts'
import { type ServerProcess, startServerProcess } from '../../support/server-process.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'

const SERVICE = 'f03d2969-47a9-45c1-b909-bc46ef7d30b4'
const CONFIG = {
  __plugin_id: '2e4d5f15-d0fa-416a-b5ee-9a192889b489',
  service_id: SERVICE,
  minimum_calls: 5,
  open_ms: 60_000,
}

/** What a real Kong says about a call whose upstream answered 500. */
const failedCall: Script = ({ method }) => {
  assert.equal(method, 'kong.log.serialize')
  return JSON.stringify({
    service: { id: SERVICE, name: 'echo' },
    tries: [{ ip: '127.0.0.1', port: 19_400 }],
    upstream_status: '500',
    source: 'upstream',
    response: { status: 500 },
    started_at: Date.now(),
    latencies: { proxy: 2, kong: 1, request: 3 },
  })
}

describe('a plugin server that is killed while a breaker is open', function () {
  this.timeout(30_000)
  let redis: Service
  let server: ServerProcess | undefined

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
  })
  after(async () => {
    await server?.close()
    await redis?.close()
  })

  async function startServer(): Promise<{ kong: KongConnection; id: number }> {
    server = await startServerProcess({ SLUICE_REDIS_URL: redis.url })
    const kong = await server.connect()
    return { kong, id: await kong.startInstance('circuit-breaker', CONFIG) }
  }

  async function untilRejected({ kong, id }: { kong: KongConnection; id: number }): Promise<EventResult> {
    for (let i = 0; i < 100; i++) {
      const access = await kong.event(id, 'access')
      if (access.outcome === 'exited') return access
      assert.deepEqual(access.calls, [])
      await kong.event(id, 'log', failedCall)
      await pause(5)
    }
    return assert.fail('the breaker did not open')
  }

  /** A process that has just started opens for itself first; the cluster follows once it knows who else lives. */
  async function untilShared(): Promise<void> {
    const parts = { clock: systemClock, log: createLogger('silent'), metrics: createMetrics() }
    const store = new RedisStore({ urls: [redis.url], deadlineMs: 2000, ...parts })
    try {
      await store.ready(60_000)
      for (let i = 0; i < 200; i++) {
        const [breaker] = await listBreakers(store)
        if (breaker?.snapshot.phase === 'open') return
        await pause(50)
      }
    } finally {
      await store.close()
    }
    assert.fail('the cluster has not opened')
  }

  it('rejects the first request after it has started again', async () => {
    const first = await startServer()
    await untilRejected(first)
    await untilShared()
    process.kill(server!.pid, 'SIGKILL')
    await server!.close()

    const { kong, id } = await startServer()
    const access = await kong.event(id, 'access')
    assert.equal(access.outcome, 'exited')
    assert.equal(access.exit?.[0], 503)
    kong.close()
  })
})
