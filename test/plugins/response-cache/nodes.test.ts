import assert from 'node:assert/strict'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import { purge, readStats } from '../../../plugins/response-cache/management.ts'
import type { Store } from '../../../sdk/sdk.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'
import { until } from '../../support/until.ts'
import { type CacheNodes, cacheable, startCacheNodes } from './cache-nodes.ts'

const NODES = 4
/** A thousand by hand. */
const STORM = Number(process.env.SLUICE_TEST_CACHE_STORM ?? 200)

describe('response-cache on four nodes that share a Redis', function () {
  this.timeout(120_000)
  let redis: Service
  let cluster: CacheNodes
  let operator: Store

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
    cluster = await startCacheNodes(NODES, redis.url, {
      stale_if_error: 3600,
      // Nobody shall give up on a busy machine.
      fill_timeout_ms: 60_000,
      follow_client_ms: 60_000,
      // What was refused in one test must not be remembered in the next.
      uncacheable_seconds: 0,
    })
    operator = createStore(
      { redisUrl: [redis.url], redisDeadlineMs: 10_000 },
      { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') },
    )
    await operator.ready(60_000)
  })
  beforeEach(() => {
    cluster.service.requests = 0
    cluster.service.handle = cacheable()
  })
  after(async function () {
    this.timeout(60_000)
    await operator?.close()
    await cluster?.close()
    await redis?.close()
  })

  const { ask } = { ask: (node: number, path: string, options?: object) => cluster.ask(node, path, options) }
  const askAll = (path: string) => Promise.all(cluster.nodes.map((_, node) => ask(node, path)))
  const warm = async (path: string) => {
    await ask(0, path)
    await until(async () => (await askAll(path)).every(({ cache }) => cache.includes('hit')))
  }

  it(`asks the service once for ${STORM} who want the same at the same time`, async () => {
    const { service } = cluster
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    service.handle = (request, response, count) => void held.then(() => cacheable()(request, response, count))
    const asked = Array.from({ length: STORM }, (_, index) => ask(index % NODES, '/storm'))
    await until(() => service.requests > 0)
    release()
    const answers = await Promise.all(asked)
    assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body}`))], ['200 answer 1'])
    assert.equal(service.requests, 1)
  })

  it('answers on every node with what one has fetched', async () => {
    await warm('/shared')
    assert.equal(cluster.service.requests, 1)
  })

  it('invalidates on every node what an unsafe request may have changed', async () => {
    await warm('/changed')
    assert.equal((await ask(1, '/changed', { method: 'PUT' })).status, 200)
    const before = cluster.service.requests
    await until(async () => (await ask(2, '/changed')).body === `answer ${before + 1}`)
    await until(async () => (await askAll('/changed')).every(({ body }) => body === `answer ${before + 1}`))
  })

  it('does not store what was asked for before a change', async () => {
    const { service } = cluster
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    service.handle = (request, response, count) => void held.then(() => cacheable()(request, response, count))
    const early = ask(0, '/early')
    await until(() => service.requests === 1)
    service.handle = cacheable('no-store')
    await ask(1, '/early', { method: 'DELETE' })
    release()
    assert.equal((await early).body, 'answer 1')
    service.handle = cacheable()
    for (const { body } of await askAll('/early')) assert.notEqual(body, 'answer 1')
  })

  for (const [kind, value] of [
    ['key', '/purged/key?a=1&b=2'],
    ['prefix', '/purged/pre'],
    ['tag', 'path-purged-tag'],
    ['all', ''],
  ] as const)
    it(`forgets on every node what is purged by ${kind}, and nothing else`, async () => {
      const path = { key: '/purged/key?b=2&a=1', prefix: '/purged/prefix', tag: '/purged/tag', all: '/all' }[
        kind
      ]
      await warm(path)
      await warm('/other')
      const old = (await ask(0, path)).body
      await purge(operator, { kind, value })
      await until(async () => (await askAll(path)).every(({ body }) => body !== old))
      if (kind !== 'all') assert.ok((await askAll('/other')).every(({ cache }) => cache.includes('hit')))
    })

  it('gives no client an error while the service is away within the stale window', async () => {
    const { service } = cluster
    service.handle = cacheable('max-age=0')
    const before = (await readStats(operator)).stored
    await ask(0, '/stale')
    await until(async () => (await readStats(operator)).stored > before)
    await service.stop()
    try {
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => ask(index % NODES, '/stale')),
      )
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
      assert.ok(answers.every(({ cache }) => cache.includes('stale-if-error')))
    } finally {
      await service.start()
    }
  })

  it('answers what it has in memory, and lets the rest pass, while Redis is paused', async () => {
    await warm('/paused')
    const before = cluster.service.requests
    await redis.pause()
    try {
      for (const { status, body } of await askAll('/paused')) {
        assert.equal(status, 200)
        assert.equal(body, 'answer 1')
      }
      assert.equal(cluster.service.requests, before)
      assert.equal((await ask(0, '/paused/other')).status, 200)
    } finally {
      await redis.resume()
    }
  })

  it('goes on after Redis has lost everything', async () => {
    await warm('/flushed')
    const client = await operatorClient(redis.url)
    await client.flushall()
    client.disconnect()
    for (const { status } of await askAll('/flushed')) assert.equal(status, 200)
    assert.equal((await ask(1, '/flushed', { method: 'PUT' })).status, 200)
    await until(async () => (await askAll('/flushed')).every(({ body }) => body !== 'answer 1'))
    await warm('/flushed/again')
  })

  it('begins anew where messages may have been lost', async () => {
    await warm('/interrupted')
    const client = await operatorClient(redis.url)
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    // An invalidation that nobody hears.
    await purge(operator, { kind: 'key', value: '/interrupted' })
    client.disconnect()
    await until(async () => (await askAll('/interrupted')).every(({ body }) => body !== 'answer 1'))
  })

  it('tells how each node fares', async () => {
    await until(async () => (await readStats(operator)).nodes.length === NODES)
    const { nodes } = await readStats(operator)
    assert.deepEqual(
      nodes.map(({ node }) => node).sort(),
      cluster.nodes.map((_, index) => `node-${index}`),
    )
  })
})

async function operatorClient(url: string) {
  const { Redis } = await import('ioredis')
  return new Redis(url)
}
