import assert from 'node:assert/strict'
import { member } from '../../../plugins/qos/member.ts'
import { plugin } from '../../../plugins/qos/plugin.ts'
import { startHarness } from '../../../testing/harness.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { ALICE, type Asked, createNode, GOLDIE, oneLimit } from './harness.ts'
import { createHeldStore, settled } from './held-store.ts'

describe('the plugin qos', () => {
  let node: ReturnType<typeof createNode>
  beforeEach(() => {
    node = createNode()
  })
  afterEach(() => node.close())

  it('makes two PDK calls for a request, and one when the fields are hidden', async () => {
    const shown = await node.configure(oneLimit({ requests: 5, per: 60 }))(ALICE)
    assert.deepEqual(shown.calls, ['getConsumer', 'setHeaders'])
    const hidden = await node.configure(oneLimit({ requests: 5, per: 60 }, { hide_client_headers: true }))(
      ALICE,
    )
    assert.deepEqual(hidden.calls, ['getConsumer'])
  })

  it('asks for the consumer only where the decision depends on it, or an event is to name it', async () => {
    const limit = { requests: 10, per: 3600 }
    const ask = node.configure(oneLimit(limit, { limit_by: ['service'], service_id: 's1' }))
    for (let i = 0; i < 7; i++) assert.deepEqual((await ask(ALICE)).calls, ['setHeaders'])
    assert.deepEqual((await ask(ALICE)).calls, ['getConsumer', 'setHeaders'], '80 % are used')
    for (let i = 0; i < 2; i++) assert.deepEqual((await ask(ALICE)).calls, ['setHeaders'])
    const calls: unknown[] = []
    for (let i = 0; i < 3; i++) calls.push((await ask(ALICE)).calls.includes('getConsumer'))
    assert.deepEqual(calls, [true, false, false], 'rejections after the first are counted')
    assert.deepEqual(
      node.events.drafts.map(({ type, data }) => [type, data.consumer]),
      [
        ['qos.near-limit.v1', 'alice'],
        ['qos.rejected.v1', 'alice'],
      ],
    )
    const tier = { limits: [{ name: 'hour', ...limit }] }
    const tiers = { free: tier, gold: tier }
    const byTier = node.configure({
      tiers,
      default_tier: 'free',
      limit_by: ['service'],
      service_id: 's2',
    })
    assert.deepEqual((await byTier(ALICE)).calls, ['getConsumer', 'setHeaders'])
  })

  it('names the consumer in an event about a limit that is near again while requests are refused', async () => {
    const ask = node.configure(
      oneLimit({ requests: 5, per: 3600 }, { limit_by: ['service'], service_id: 's1' }),
    )
    for (let i = 0; i < 6; i++) await ask(ALICE)
    for (let i = 0; i < 6; i++) {
      node.clock.advance(600_000)
      for (let asked = 0; asked < 2; asked++) await ask(ALICE)
      node.memory.reporter.flush()
    }
    const before = node.events.of('qos.near-limit.v1').length
    const refused = await ask(ALICE)
    assert.deepEqual([refused.status, refused.calls.includes('getConsumer')], [429, true])
    assert.deepEqual(
      node.events.of('qos.near-limit.v1').map(({ data }) => data.consumer),
      Array.from({ length: before + 1 }, () => 'alice'),
    )
  })

  it('tells the limits in the fields of the IETF and of Kong', async () => {
    const ask = node.configure({
      tiers: {
        free: {
          limits: [
            { name: 'minute', requests: 100, per: 60 },
            { name: 'hour', requests: 5, per: 3600, algorithm: 'sliding' },
          ],
        },
      },
      default_tier: 'free',
    })
    assert.deepEqual((await ask(ALICE)).headers, {
      'RateLimit-Policy': '"minute";q=100;w=60, "hour";q=5;w=3600',
      RateLimit: '"minute";r=99;t=1, "hour";r=4;t=7200',
    })
  })

  it("adds Kong's own fields on request: each window, and the tightest of them", async () => {
    const limits = [
      { name: 'minute', requests: 100, per: 60 },
      { name: 'hour', requests: 5, per: 3600, algorithm: 'sliding' },
    ]
    const ask = node.configure({ tiers: { free: { limits } }, default_tier: 'free', kong_headers: true })
    assert.deepEqual((await ask(ALICE)).headers, {
      'RateLimit-Policy': '"minute";q=100;w=60, "hour";q=5;w=3600',
      RateLimit: '"minute";r=99;t=1, "hour";r=4;t=7200',
      'X-RateLimit-Limit-Minute': 100,
      'X-RateLimit-Remaining-Minute': 99,
      'X-RateLimit-Limit-Hour': 5,
      'X-RateLimit-Remaining-Hour': 4,
      'RateLimit-Limit': 5,
      'RateLimit-Remaining': 4,
      'RateLimit-Reset': 7200,
    })
  })

  it('answers 429 with Retry-After and problem details, and admits again after that time', async () => {
    const ask = node.configure(oneLimit({ requests: 2, per: 60 }))
    await ask(ALICE)
    await ask(ALICE)
    const { status, body, headers, calls } = await ask(ALICE)
    assert.equal(status, 429)
    assert.deepEqual(calls, ['getConsumer', 'exit'])
    assert.equal(headers['Retry-After'], 30)
    assert.equal(headers['Content-Type'], 'application/problem+json')
    assert.equal(headers.RateLimit, '"minute";r=0;t=60')
    assert.deepEqual(body?.['violated-policies'], ['minute'])
    assert.equal(body?.status, 429)
    node.clock.advance(29_999)
    assert.equal((await ask(ALICE)).status, 429)
    node.clock.advance(1)
    assert.equal((await ask(ALICE)).status, 200)
  })

  it('names the limits that a request is over, and no others', async () => {
    const ask = node.configure({
      tiers: {
        free: {
          limits: [
            { name: 'minute', requests: 1, per: 60 },
            { name: 'hour', requests: 2, per: 3600 },
          ],
        },
      },
      default_tier: 'free',
    })
    const violated: unknown[] = []
    for (const afterMs of [0, 0, 60_000, 0, 60_000, 0]) {
      node.clock.advance(afterMs)
      violated.push((await ask(ALICE)).body?.['violated-policies'])
    }
    assert.deepEqual(violated, [undefined, ['minute'], undefined, ['minute', 'hour'], ['hour'], ['hour']])
  })

  it('debits no limit for a request that one of them refuses', async () => {
    const ask = node.configure({
      tiers: {
        free: {
          limits: [
            { name: 'minute', requests: 2, per: 60 },
            { name: 'day', requests: 10, per: 86_400 },
          ],
        },
      },
      default_tier: 'free',
    })
    for (let i = 0; i < 5; i++) await ask(ALICE)
    node.clock.advance(60_000)
    assert.equal((await ask(ALICE)).left.day, 7)
  })

  it('gives back what it took where the event is over meanwhile', async () => {
    const alone = node.configure(oneLimit({ requests: 1, per: 60 }))
    await assert.rejects(alone({ ...ALICE, overAt: 'setHeaders' }), { code: 'SLUICE_PDK_CLOSED' })
    assert.equal((await alone(ALICE)).status, 200)
    const composed = createNode({ definition: member as unknown as typeof plugin })
    const limit = { name: 'minute', requests: 1, per: 60 }
    const ask = composed.configure({
      tiers: { free: { limits: [limit], concurrency: 1 } },
      default_tier: 'free',
    })
    const asked = { ...ALICE, serviceId: 's' }
    await assert.rejects(ask({ ...asked, overAt: 'setSerializeValue' }), { code: 'SLUICE_PDK_CLOSED' })
    assert.equal((await ask(asked)).status, 200)
    assert.equal((await ask(asked)).status, 429)
    await composed.close()
  })

  it('gives back once what it took where the store was late and the tier lets pass', async () => {
    const clock = createTestClock()
    const store = createHeldStore(clock)
    const node = createNode({ clock, store })
    const tier = { limits: [{ name: 'hour', requests: 10, per: 3600 }], on_store_error: 'open' }
    for (const [sync, ip] of [
      ['strict', '192.0.2.1'],
      ['leased', '192.0.2.2'],
    ] as const) {
      const ask = node.configure({ tiers: { free: tier }, default_tier: 'free', sync })
      const served = async () => {
        const answer = ask({ ip })
        await settled()
        await store.answer()
        return answer
      }
      await served()
      await served()
      const passed = ask({ ip })
      await settled()
      const late = await store.delay()
      ;(await passed).undo?.()
      await late.answer()
      for (let i = 0; i < 3; i++) await store.answer()
      assert.deepEqual((await served()).left, { hour: 7 }, sync)
      store.setAway(true)
      ;(await ask({ ip })).undo?.()
      store.setAway(false)
      for (let i = 0; i < 3; i++) await store.answer()
      assert.deepEqual((await served()).left, { hour: 6 }, sync)
    }
    await node.close()
  })

  it('finds the tier by tag, then by map, then by default', async () => {
    const ask = node.configure({
      tiers: {
        gold: { limits: [{ name: 'minute', requests: 1000, per: 60 }] },
        silver: { limits: [{ name: 'minute', requests: 100, per: 60 }] },
        free: { limits: [{ name: 'minute', requests: 10, per: 60 }] },
      },
      default_tier: 'free',
      tier_by: { source: 'username', map: { alice: 'silver', goldie: 'silver' } },
    })
    const limitOf = async (asked: Asked) => (await ask(asked)).quota.minute
    assert.equal(await limitOf(GOLDIE), 1000)
    assert.equal(await limitOf(ALICE), 100)
    assert.equal(await limitOf({ consumer: { id: 'c', username: 'carl', tags: ['tier:platinum'] } }), 10)
    assert.equal(await limitOf({}), 10)
  })

  it('believes a header only from a trusted source', async () => {
    const ask = node.configure({
      tiers: {
        gold: { limits: [{ name: 'minute', requests: 1000, per: 60 }] },
        free: { limits: [{ name: 'minute', requests: 10, per: 60 }] },
      },
      default_tier: 'free',
      tier_by: { source: 'header', header: 'x-plan', map: { premium: 'gold' } },
      cost: { header: 'x-cost' },
      trusted_sources: ['10.0.0.0/8', '2001:db8::/32'],
    })
    const from = async (ip: string, cost = '1') =>
      (await ask({ ip, headers: { 'x-plan': 'premium', 'x-cost': cost } })).left.minute
    assert.equal(await from('10.1.2.3', '7'), 993)
    assert.equal(await from('2001:db8::7', '7'), 993)
    assert.equal(await from('192.0.2.7', '7'), 9)
    assert.equal(await from('no address', '7'), 9)
  })

  it('does not believe the cost of anybody else where methods have costs, too', async () => {
    const ask = node.configure(
      oneLimit(
        { requests: 100, per: 60 },
        { cost: { header: 'x-cost', methods: { GET: 5 } }, trusted_sources: ['10.0.0.0/8'] },
      ),
    )
    assert.equal((await ask({ ...ALICE, ip: '192.0.2.7', headers: { 'x-cost': '0' } })).left.minute, 95)
  })

  it('takes a cost that is absurd for a common one', async () => {
    const ask = node.configure(
      oneLimit({ requests: 100, per: 60 }, { cost: { header: 'x-cost' }, trusted_sources: ['0.0.0.0/0'] }),
    )
    let left = 100
    for (const cost of ['-5', '1e9', '0x10', '', 'many', '3.5', '99999999', '1000001', '5, 1', 'NaN']) {
      const answer = await ask({ ...ALICE, headers: { 'x-cost': cost } })
      assert.equal(answer.left.minute, --left, `cost ${JSON.stringify(cost)}`)
    }
  })

  it('weighs by method', async () => {
    const ask = node.configure(
      oneLimit({ requests: 10, per: 60 }, { cost: { methods: { post: 4, HEAD: 0 } } }),
    )
    const left = async (method: string) => (await ask({ ...ALICE, method })).left.minute
    assert.equal(await left('POST'), 6)
    assert.equal(await left('HEAD'), 6)
    assert.equal(await left('GET'), 5)
  })

  it('refuses a cost above the burst for good, without Retry-After', async () => {
    const ask = node.configure(oneLimit({ requests: 10, per: 60 }, { cost: { methods: { POST: 11 } } }))
    const { status, headers, body } = await ask({ ...ALICE, method: 'POST' })
    assert.equal(status, 429)
    assert.equal(headers['Retry-After'], undefined)
    assert.match(String(body?.detail), /more than its limit can ever admit/)
    assert.equal((await ask(ALICE)).left.minute, 9)
  })

  it('counts by each kind of subject, alone and together', async () => {
    const cases: [limitBy: string[], same: [Asked, Asked], other: Asked][] = [
      [['consumer'], [ALICE, { ...ALICE, ip: '192.0.2.9' }], GOLDIE],
      [
        ['credential'],
        [
          { ...ALICE, credentialId: 'k1' },
          { ...ALICE, credentialId: 'k1', ip: '192.0.2.9' },
        ],
        { ...ALICE, credentialId: 'k2' },
      ],
      [['ip'], [{ ip: '192.0.2.1' }, { ...ALICE, ip: '192.0.2.1' }], { ip: '192.0.2.2' }],
      [['ip'], [{ ip: '2001:db8:1:2::1' }, { ip: '2001:DB8:1:2:ffff::1' }], { ip: '2001:db8:1:3::1' }],
      [['ip'], [{ ip: '192.0.2.1' }, { ip: '::ffff:192.0.2.1' }], { ip: '::ffff:192.0.2.2' }],
      [
        ['header:X-Tenant'],
        [{ headers: { 'x-tenant': 'a' } }, { headers: { 'x-tenant': 'a' }, ip: '192.0.2.9' }],
        { headers: { 'x-tenant': 'b' } },
      ],
      [['path'], [{ path: '/a' }, { path: '/a', ip: '192.0.2.9' }], { path: '/b' }],
      [['service'], [{ serviceId: 's1' }, { serviceId: 's1', ip: '192.0.2.9' }], { serviceId: 's2' }],
      [['route'], [{ routeId: 'r1' }, { routeId: 'r1', ip: '192.0.2.9' }], { routeId: 'r2' }],
      [
        ['consumer', 'path'],
        [
          { ...ALICE, path: '/a' },
          { ...ALICE, path: '/a' },
        ],
        { ...ALICE, path: '/b' },
      ],
    ]
    for (const [limit_by, [first, second], other] of cases) {
      const fresh = createNode()
      const ask = fresh.configure(oneLimit({ requests: 10, per: 60 }, { limit_by }))
      const left = async (asked: Asked) => (await ask(asked)).left.minute
      assert.deepEqual([await left(first), await left(second), await left(other)], [9, 8, 9], limit_by.join())
      await fresh.close()
    }
  })

  it('falls back to the address where there is no such subject, never to one bucket', async () => {
    const headers = { 'x-empty': '' }
    for (const by of ['consumer', 'credential', 'header:x-tenant', 'header:x-empty', 'service', 'route']) {
      const limit_by = [by]
      const fresh = createNode()
      const ask = fresh.configure(oneLimit({ requests: 10, per: 60 }, { limit_by }))
      const left = async (ip: string) => (await ask({ ip, headers })).left.minute
      assert.deepEqual([await left('192.0.2.1'), await left('192.0.2.2')], [9, 9], limit_by.join())
      await fresh.close()
    }
  })

  it('takes an anonymous consumer for nobody', async () => {
    const ask = node.configure(
      oneLimit({ requests: 10, per: 60 }, { anonymous_consumers: ['guest', 'c-id'] }),
    )
    const guest = { id: 'c-guest', username: 'guest', tags: ['tier:free'] }
    const left = async (asked: Asked) => (await ask(asked)).left.minute
    assert.equal(await left({ consumer: guest, ip: '192.0.2.1' }), 9)
    assert.equal(await left({ consumer: guest, ip: '192.0.2.2' }), 9)
    assert.equal(await left({ consumer: { id: 'c-id' }, ip: '192.0.2.2' }), 8)
  })

  it('puts no header value into a key or an event', async () => {
    const ask = node.configure(oneLimit({ requests: 1, per: 60 }, { limit_by: ['header:apikey'] }))
    for (let i = 0; i < 3; i++) await ask({ headers: { apikey: 'planted-secret' } })
    const keys: string[] = []
    for await (const key of node.store.keys('{sluice:qos:')) keys.push(key)
    const written = JSON.stringify([keys, node.events.drafts, await node.metrics.text()])
    assert.equal(node.events.of('qos.rejected.v1').length, 1)
    assert.ok(keys.length > 0)
    assert.ok(!written.includes('planted-secret'))
  })

  it('keeps its counts when Kong replaces the instance, and apart for each place it is bound to', async () => {
    const sent = oneLimit({ requests: 10, per: 60 })
    const left = async (more: object) => (await node.configure({ ...sent, ...more })(ALICE)).left.minute
    assert.equal(await left({ route_id: 'r1', __seq__: 1, __plugin_id: 'p1' }), 9)
    assert.equal(await left({ route_id: 'r1', __seq__: 2, __plugin_id: 'p2' }), 8)
    assert.equal(await left({ route_id: 'r2' }), 9)
    assert.equal(await left({}), 9)
  })

  it('lets all pass in shadow mode, and says what it would have refused', async () => {
    const ask = node.configure(oneLimit({ requests: 1, per: 60 }, { shadow: true }))
    for (let i = 0; i < 3; i++) assert.equal((await ask(ALICE)).status, 200)
    node.memory.reporter.flush()
    const counts = node.events.of('qos.rejected.v1').map(({ data }) => [data.shadow, data.count])
    assert.deepEqual(counts, [
      [true, 1],
      [true, 1],
    ])
    assert.match(
      await node.metrics.text(),
      /decisions_total\{tier="free",outcome="shadow",reason="memory"\} 1/,
    )
  })

  it('jitters Retry-After upward only', async () => {
    for (const random of [0, 0.3, 0.999]) {
      const fresh = createNode()
      Object.assign(fresh.memory.host, { random: () => random })
      const ask = fresh.configure(oneLimit({ requests: 1, per: 100 }, { retry_jitter: 0.5 }))
      await ask(ALICE)
      assert.equal((await ask(ALICE)).headers['Retry-After'], Math.ceil(100 * (1 + 0.5 * random)))
      await fresh.close()
    }
  })

  it('publishes near-limit once a window, and one event for many rejections', async () => {
    const ask = node.configure(oneLimit({ requests: 10, per: 60 }))
    for (let i = 0; i < 30; i++) await ask(ALICE)
    const near = node.events.of('qos.near-limit.v1')
    assert.deepEqual(
      near.map(({ data }) => [data.limit, data.remaining, data.consumer]),
      [['minute', 2, 'alice']],
    )
    assert.equal(node.events.of('qos.rejected.v1').length, 1)
    node.memory.reporter.flush()
    assert.equal(node.events.of('qos.rejected.v1')[1]?.data.count, 19)
    // In the next window again, also where the wall clock steps back meanwhile.
    node.clock.step(-3_600_000)
    node.clock.advance(60_000)
    node.memory.reporter.flush()
    for (let i = 0; i < 10; i++) await ask(ALICE)
    assert.equal(node.events.of('qos.near-limit.v1').length, 2)
  })

  it('follows a calendar day of a time zone', async () => {
    const ask = node.configure(
      oneLimit({ name: 'day', requests: 1, algorithm: 'calendar', period: 'day', time_zone: 'Asia/Tokyo' }),
    )
    // 12:00 UTC is 21:00 in Tokyo: the day ends in three hours.
    assert.equal((await ask(ALICE)).headers.RateLimit, '"day";r=0;t=10800')
    assert.equal((await ask(ALICE)).headers['Retry-After'], 10_800)
    node.clock.advance(10_800_000)
    assert.equal((await ask(ALICE)).status, 200)
  })
})

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`the error format of Kong over ${protocol}`, () => {
    it("has the request's id, which is asked for by a rejection only", async () => {
      const config = oneLimit({ requests: 1, per: 60 }, { error_format: 'kong' })
      const kong = await startHarness(plugin, { protocol, config })
      const roundTrips = async () => Number(/round_trips_total\{.*\} (\d+)/.exec(await kong.metrics())?.[1])
      await kong.request('/')
      const admitted = await roundTrips()
      const { status, headers, body } = await kong.request('/')
      assert.equal(status, 429)
      assert.equal(headers['content-type'], 'application/json; charset=utf-8')
      assert.deepEqual(JSON.parse(body), {
        message: 'API rate limit exceeded',
        request_id: headers['x-kong-request-id'],
      })
      assert.match(String(headers['x-kong-request-id']), /^[0-9a-f]{32}$/)
      assert.equal((await roundTrips()) - admitted, admitted + 1)
      await kong.close()
    })
  })
