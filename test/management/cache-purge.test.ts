import assert from 'node:assert/strict'
import pg from 'pg'
import { type CacheNodes, startCacheNodes } from '../plugins/response-cache/cache-nodes.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { type Service, START_MS, sharedPostgres, useRedis } from '../support/services.ts'
import { until } from '../support/until.ts'

const PURGE = '/v1/cache/purge'
const reason = 'a price was wrong'

describe('the manager, for the answers that response-cache has stored,', function () {
  this.timeout(60_000)
  let redis: Service
  let cluster: CacheNodes
  let manager: RunningManager
  let postgresUrl: string

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
    postgresUrl = await (await sharedPostgres()).createDatabase()
    cluster = await startCacheNodes(2, redis.url, {})
    manager = await startTestManager({
      SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
      SLUICE_MANAGER_POSTGRES_URL: postgresUrl,
      SLUICE_POSTGRES_URL: postgresUrl,
      SLUICE_REDIS_URL: redis.url,
    })
  })
  after(async () => {
    await manager?.close()
    await cluster?.close()
    await redis?.close()
  })

  it('purges them on every node, as one event with its actor', async () => {
    for (const node of [0, 1])
      await until('the node has it', async () => (await cluster.ask(node, '/shop/a')).cache.includes('hit'))
    const before = cluster.service.requests
    const purged = await manager.call(
      'POST',
      PURGE,
      { kind: 'prefix', value: '/shop/', reason },
      { token: manager.tokens.editor },
    )
    assert.equal(purged.status, 200, purged.text)
    const { at, ...order } = purged.body
    assert.deepEqual(order, { kind: 'prefix', value: '/shop/', host: null, actor: 'editor', reason })
    await until('the service is asked again', async () => {
      await Promise.all([cluster.ask(0, '/shop/a'), cluster.ask(1, '/shop/a')])
      return cluster.service.requests > before
    })
    await until('the event is stored', async () => (await events()).length > 0)
    assert.deepEqual(await events(), [
      { time: at, data: { kind: 'prefix', value: '/shop/', host: '', actor: 'editor', reason } },
    ])
    const { body } = await manager.call('GET', '/v1/cache', undefined, { token: manager.tokens.viewer })
    assert.equal(body.purges, 1)
    assert.ok(body.stored >= 1)
  })

  it('purges nothing for a viewer, and tells what is wrong with its place', async () => {
    const all = { kind: 'all', reason }
    const viewer = await manager.call('POST', PURGE, all, { token: manager.tokens.viewer })
    assert.equal(viewer.status, 403)
    const cases: readonly (readonly [unknown, number, string])[] = [
      [{ kind: 'all' }, 400, '/reason'],
      [{ ...all, kind: 'everything' }, 400, '/kind'],
      [{ ...all, value: '/x' }, 422, '/value'],
      [{ kind: 'key', reason }, 422, '/value'],
      [{ kind: 'key', value: 'shop', reason }, 422, '/value'],
      [{ kind: 'tag', value: 'a b', reason }, 422, '/value'],
      [{ ...all, host: 'http://shop.example' }, 422, '/host'],
    ]
    for (const [body, status, pointer] of cases) {
      const answer = await manager.call('POST', PURGE, body)
      assert.equal(answer.status, status, answer.text)
      assert.equal(answer.body.errors[0].pointer, pointer)
    }
    assert.equal((await manager.call('GET', '/v1/cache')).body.purges, 1)
  })

  async function events(): Promise<{ time: string; data: unknown }[]> {
    const client = new pg.Client({ connectionString: postgresUrl })
    await client.connect()
    try {
      const { rows } = await client.query<{ time: Date; data: unknown }>(
        "select time, data from gateway_events where type = 'cache.purged.v1'",
      )
      return rows.map(({ time, data }) => ({ time: time.toISOString(), data }))
    } finally {
      await client.end()
    }
  }
})
