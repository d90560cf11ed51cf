import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../foundation/clock.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { startCore } from '../../plugin-server/core.ts'
import { makeFolder } from '../support/folder.ts'
import { recordLogs } from '../support/logs.ts'
import { type Service, START_MS, useRedis } from '../support/services.ts'

describe('the start of a server with Redis', () => {
  const folder = makeFolder()
  let redis: Service
  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
  })
  after(async () => {
    await redis.close()
    folder.remove()
  })

  async function start(url: string) {
    const logs = recordLogs()
    const settings = readSettings({ SLUICE_REDIS_URL: url, SLUICE_SPOOL_DIR: folder.path })
    const core = await startCore(settings, [], {
      clock: systemClock,
      random: Math.random,
      log: logs.logger,
      metrics: createMetrics(),
    })
    const { available } = core.store
    await core.close()
    return { available, warned: /Redis unavailable/.test(logs.text()) }
  }

  it('ends without it where it is away, and says so', async () => {
    const [port] = await freePorts(1)
    assert.deepEqual(await start(`redis://127.0.0.1:${port}`), { available: false, warned: true })
  })

  it('is over when its first request can be decided by it', async () => {
    await redis.pause()
    const starting = start(redis.url)
    await pause(100)
    await redis.resume()
    assert.deepEqual(await starting, { available: true, warned: false })
  })
})
