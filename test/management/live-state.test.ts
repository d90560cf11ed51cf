import assert from 'node:assert/strict'
import pg from 'pg'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { RedisStore } from '../../plugin-server/stores/redis.ts'
import {
  createNode as createBreakerNode,
  type SimulatedNode,
} from '../plugins/circuit-breaker/simulated-node.ts'
import { createNode, oneLimit } from '../plugins/qos/harness.ts'
import { type Answer, type RunningManager, startTestManager } from '../support/manager.ts'
import { type Service, START_MS, sharedPostgres, useRedis } from '../support/services.ts'
import { until } from '../support/until.ts'

const ALICE = '0c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'
const BREAKER = 'service:0c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'
const OTHER = 'service:1c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'

describe('the manager, for what lies in Redis,', function () {
  this.timeout(60_000)
  let redis: Service
  let store: RedisStore
  let manager: RunningManager
  let postgresUrl: string
  const endings: (() => Promise<unknown>)[] = []

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
    postgresUrl = await (await sharedPostgres()).createDatabase()
    manager = await startTestManager({
      SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
      SLUICE_MANAGER_POSTGRES_URL: postgresUrl,
      SLUICE_POSTGRES_URL: postgresUrl,
      SLUICE_REDIS_URL: redis.url,
    })
    const parts = { clock: systemClock, log: createLogger('silent'), metrics: createMetrics() }
    store = new RedisStore({ urls: [redis.url], deadlineMs: 5_000, ...parts })
    assert.ok(await store.ready(60_000))
  })
  after(async () => {
    for (const end of endings) await end()
    await manager?.close()
    await store?.close()
    await redis?.close()
  })

  const asEditor = (method: string, path: string, body?: unknown): Promise<Answer> =>
    manager.call(method, path, body, { token: manager.tokens.editor })

  /** Data of the events of a type, as they are stored. */
  async function eventsOf(type: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: postgresUrl })
    await client.connect()
    try {
      const { rows } = await client.query<{ data: Record<string, unknown> }>(
        'select data from gateway_events where type = $1 order by time, id',
        [type],
      )
      return rows.map(({ data }) => data)
    } finally {
      await client.end()
    }
  }

  describe('shows and changes limits:', () => {
    let send: () => Promise<number>

    before(() => {
      const node = createNode({ store, clock: systemClock })
      endings.push(() => node.close())
      const ask = node.configure({
        ...oneLimit({ requests: 3, per: 3600 }),
        sync: 'strict',
        route_id: 'r1',
      })
      send = async () => (await ask({ consumer: { id: ALICE, username: 'alice' } })).status
    })

    it('what a consumer has used and left', async () => {
      assert.deepEqual((await manager.call('GET', `/v1/limits?consumer=${ALICE}`)).body, { data: [] })
      assert.deepEqual([await send(), await send(), await send(), await send()], [200, 200, 200, 429])
      const { status, body } = await manager.call('GET', `/v1/limits?consumer=${ALICE}`, undefined, {
        token: manager.tokens.viewer,
      })
      assert.equal(status, 200)
      const [standing] = body.data
      assert.deepEqual([standing.subject, standing.scope], [`consumer:${ALICE}`, 'route=r1'])
      const [{ reset_seconds: resetSeconds, ...limit }] = standing.limits
      assert.deepEqual(limit, {
        name: 'minute',
        algorithm: 'gcra',
        requests: 3,
        burst: 3,
        per_seconds: 3600,
        used: 3,
        left: 0,
      })
      assert.ok(resetSeconds > 0 && resetSeconds <= 3600)
    })

    it('a reset holds at once, and is an event with its actor', async () => {
      const body = { consumer: ALICE, reason: 'goodwill' }
      const reset = await asEditor('POST', '/v1/limits/reset', body)
      assert.equal(reset.status, 200, reset.text)
      await until('the node lets it pass', async () => (await send()) === 200)
      await until('the event is stored', async () => (await eventsOf('qos.limits-changed.v1')).length === 1)
      const [event] = await eventsOf('qos.limits-changed.v1')
      assert.deepEqual(
        [event?.action, event?.actor, event?.reason, event?.key],
        ['reset', 'editor', 'goodwill', reset.body.data[0].key],
      )
    })

    it('a change lasts as long as was asked for, and can be ended', async () => {
      const body = { consumer: ALICE, limit: 'minute', reason: 'launch day' }
      const set = await asEditor('POST', '/v1/limits/set', { ...body, requests: 50, seconds: 7_200 })
      assert.equal(set.status, 200, set.text)
      const [{ limits, changes }] = set.body.data
      assert.deepEqual([limits[0].requests, changes[0].requests, changes[0].burst], [50, 50, 50])
      const seconds = (Date.parse(changes[0].until) - Date.now()) / 1_000
      assert.ok(seconds > 7_000 && seconds <= 7_200, `${seconds}`)
      const unset = await asEditor('POST', '/v1/limits/unset', body)
      assert.deepEqual([unset.body.data[0].limits[0].requests, unset.body.data[0].changes], [3, []])
      const again = await asEditor('POST', '/v1/limits/unset', body)
      assert.deepEqual([again.status, again.body.errors[0].pointer], [422, '/limit'])
    })

    it('what is wrong is told with its place', async () => {
      const reason = 'x'
      const cases: readonly (readonly [string, unknown, number, string])[] = [
        ['reset', { consumer: ALICE }, 400, '/reason'],
        ['reset', { reason }, 422, '/consumer'],
        ['reset', { consumer: ALICE, subject: 'ip:192.0.2.1', reason }, 422, '/consumer'],
        ['reset', { consumer: ALICE, limit: 'decade', reason }, 422, '/limit'],
        ['reset', { consumer: ALICE, scope: 'route=nowhere', reason }, 422, '/scope'],
        ['reset', { subject: 'ip:192.0.2.77', reason }, 422, '/scope'],
        ['set', { consumer: ALICE, limit: 'minute', requests: 0, seconds: 60, reason }, 400, '/requests'],
        ['set', { consumer: ALICE, limit: 'minute', requests: 1, seconds: 1e8, reason }, 400, '/seconds'],
        ['set', { consumer: ALICE, limit: 'minute', requests: 1, seconds: 1, reason, when: 1 }, 400, '/when'],
      ]
      for (const [action, body, status, pointer] of cases) {
        const answer = await asEditor('POST', `/v1/limits/${action}`, body)
        assert.equal(answer.status, status, answer.text)
        assert.deepEqual(
          answer.body.errors.map((one: { pointer: string }) => one.pointer),
          [pointer],
        )
      }
      const byName = await asEditor('POST', '/v1/limits/reset', { consumer: 'alice', reason })
      assert.deepEqual([byName.status, byName.body.code], [503, 'SLUICE_MANAGER_UNAVAILABLE'])
    })

    it('a viewer looks only', async () => {
      const answer = await manager.call(
        'POST',
        '/v1/limits/reset',
        { consumer: ALICE, reason: 'x' },
        { token: manager.tokens.viewer },
      )
      assert.deepEqual([answer.status, answer.body.code], [403, 'SLUICE_MANAGER_FORBIDDEN'])
    })
  })

  describe('shows breakers and gives orders to them:', () => {
    let node: SimulatedNode

    before(async () => {
      node = await createBreakerNode({ store, name: 'n1', key: BREAKER, config: { minimum_calls: 5 } })
      endings.push(() => node.registry.close())
    })

    it('their state and their window', async () => {
      for (let i = 0; i < 4; i++) await node.request('success')
      await node.request('failure')
      await node.registry.flush()
      const { body } = await manager.call('GET', '/v1/breakers', undefined, { token: manager.tokens.viewer })
      const [breaker] = body.data
      assert.deepEqual(
        [
          breaker.breaker,
          breaker.name,
          breaker.state,
          breaker.mode,
          breaker.window.calls,
          breaker.window.failures,
        ],
        [BREAKER, 'echo', 'closed', 'auto', 5, 1],
      )
      for (const name of ['echo', BREAKER, ALICE])
        assert.equal(
          (await manager.call('GET', `/v1/breakers/${encodeURIComponent(name)}`)).body.breaker,
          BREAKER,
        )
    })

    it('an order reaches the nodes at once, ends by itself, and is one event with its actor', async () => {
      const order = { reason: 'moving the database', seconds: 900 }
      const { status, body, text } = await asEditor('POST', '/v1/breakers/echo/open', order)
      assert.equal(status, 200, text)
      assert.deepEqual([body.mode, body.actor, body.reason], ['forced-open', 'editor', order.reason])
      assert.ok(body.mode_remaining_ms > 890_000 && body.mode_remaining_ms <= 900_000)
      await until('the node rejects', async () => (await node.request('success')).kind === 'reject')
      await until('the event is stored', async () => (await eventsOf('circuit.forced.v1')).length > 0)
      const auto = await asEditor('POST', '/v1/breakers/echo/auto', { reason: 'done' })
      assert.deepEqual([auto.body.mode, auto.body.actor], ['auto', 'editor'])
      await until('the node lets it pass', async () => (await node.request('success')).kind === 'pass')
      await until('both are stored', async () => (await eventsOf('circuit.forced.v1')).length === 2)
      const events = await eventsOf('circuit.forced.v1')
      assert.deepEqual(
        events.map(({ mode, actor, reason }) => [mode, actor, reason]),
        [
          ['forced-open', 'editor', order.reason],
          ['auto', 'editor', 'done'],
        ],
      )
      // What the node publishes of the same order is the same event.
      const [heard] = node.events.of('circuit.forced.v1')
      assert.match(heard?.identity ?? '', new RegExp(`^${BREAKER} \\d+$`))
    })

    it('each verb orders its mode, also for one without a request', async () => {
      const modes: Record<string, string> = {
        close: 'forced-closed',
        observe: 'metrics-only',
        disable: 'disabled',
      }
      for (const [verb, mode] of Object.entries(modes)) {
        const answer = await asEditor('POST', `/v1/breakers/${OTHER}/${verb}`, { reason: 'x', seconds: 60 })
        assert.deepEqual([answer.status, answer.body.mode], [200, mode])
      }
      await asEditor('POST', `/v1/breakers/${OTHER}/auto`, { reason: 'x' })
    })

    it('what is wrong is told', async () => {
      const order = { reason: 'x', seconds: 60 }
      const unknown = await asEditor('POST', '/v1/breakers/nothing/open', order)
      assert.deepEqual([unknown.status, unknown.body.code], [404, 'SLUICE_MANAGER_NOT_FOUND'])
      assert.equal((await manager.call('GET', '/v1/breakers/service:no-id')).status, 404)
      for (const body of [
        { reason: 'x' },
        { seconds: 60 },
        { ...order, seconds: 0 },
        { ...order, for: '1h' },
      ])
        assert.equal(
          (await asEditor('POST', '/v1/breakers/echo/open', body)).status,
          400,
          JSON.stringify(body),
        )
      assert.equal((await asEditor('POST', '/v1/breakers/echo/explode', order)).status, 404)
      const viewer = await manager.call('POST', '/v1/breakers/echo/open', order, {
        token: manager.tokens.viewer,
      })
      assert.equal(viewer.status, 403)
    })
  })

  describe('where Redis is away, or not set,', () => {
    it('says so, and works again when it is back', async () => {
      const without = await startTestManager({ SLUICE_ADMIN_URL: 'http://127.0.0.1:9' })
      try {
        const answer = await without.call('GET', '/v1/breakers')
        assert.deepEqual([answer.status, answer.body.code], [503, 'SLUICE_MANAGER_UNAVAILABLE'])
        assert.match(answer.body.detail, /SLUICE_REDIS_URL/)
      } finally {
        await without.close()
      }
      await redis.kill()
      await until('it says so', async () => {
        const { status, body } = await manager.call('GET', '/v1/breakers')
        return status === 503 && body.code === 'SLUICE_MANAGER_UNAVAILABLE'
      })
      await redis.restart()
      await until('it works again', async () => (await manager.call('GET', '/v1/breakers')).status === 200)
    })
  })
})
