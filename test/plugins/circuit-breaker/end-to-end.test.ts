import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../../support/until.ts'
import { type BreakerGateway, type PluginEntry, startBreakerGateway } from './breaker-gateway.ts'

const CONFIG = {
  minimum_calls: 5,
  window_ms: 1000,
  connection_failures: 3,
  open_ms: 200,
  max_open_ms: 400,
  half_open_permits: 2,
  recovery_ms: 300,
  probe_timeout_ms: 2000,
}

type Behaviour = 'ok' | 'fail' | 'hang' | 'reset' | 'slow' | 'limited'

describe('circuit-breaker behind a gateway', function () {
  this.timeout(30_000)
  let upstream: Server
  let spare: Server
  let world: BreakerGateway
  let behaviour: Behaviour = 'ok'
  let reached = 0

  before(async () => {
    upstream = createServer((request, response) => {
      reached += 1
      if (behaviour === 'reset') request.socket.destroy()
      else if (behaviour === 'hang') return
      else if (behaviour === 'slow') setTimeout(() => response.end('late'), 100)
      else {
        response.statusCode = behaviour === 'fail' ? 500 : behaviour === 'limited' ? 429 : 200
        response.end('upstream')
      }
    })
    spare = createServer((request, response) => response.end(`spare ${request.headers.host} ${request.url}`))
    for (const one of [upstream, spare]) await once(one.listen(0, '127.0.0.1'), 'listening')
    world = await startBreakerGateway()
  })
  after(async () => {
    await world?.close()
    for (const one of [upstream, spare]) {
      one?.closeAllConnections()
      one?.close()
    }
  })
  beforeEach(() => {
    behaviour = 'ok'
  })

  const addService = (config: Record<string, unknown> = {}, entry?: PluginEntry): Promise<string> =>
    world.addService(upstream, { ...CONFIG, ...config }, entry)

  const get = async (route: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${world.gateway.proxyUrl}${route}`, { headers })
    return { status: answer.status, headers: answer.headers, body: await answer.text() }
  }
  const isRejection = (answer: Awaited<ReturnType<typeof get>>) =>
    answer.headers.get('content-type') === 'application/problem+json'

  /** The log phase comes after the answer: asks until the breaker has heard enough. */
  async function untilRejected(route: string) {
    for (let i = 0; i < 100; i++) {
      const answer = await get(route)
      if (isRejection(answer)) return answer
      await pause(5)
    }
    return assert.fail('the breaker did not open')
  }

  async function untilServed(route: string): Promise<number> {
    let inARow = 0
    for (let i = 1; i < 2000; i++) {
      inARow = (await get(route)).status === 200 ? inARow + 1 : 0
      if (inARow === 50) return i
      await pause(2)
    }
    return assert.fail('the breaker did not close')
  }

  for (const [bad, what] of [
    ['fail', 'answers 500'],
    ['reset', 'breaks connections'],
    ['hang', 'does not answer'],
  ] as const)
    it(`rejects at once while the upstream ${what}, sends only probes, and lets all pass again`, async () => {
      const route = await addService()
      for (let i = 0; i < 3; i++) assert.equal((await get(route)).status, 200)
      behaviour = bad
      const rejection = await untilRejected(route)
      assert.equal(rejection.status, 503)
      assert.equal(rejection.headers.get('retry-after'), '1')
      const problem = JSON.parse(rejection.body)
      assert.equal(problem.status, 503)
      assert.match(problem.detail, /circuit breaker/)

      // Whatever is still open in time, each generation sends no more than its permits.
      const before = reached
      const begun = performance.now()
      let rejected = 0
      for (let i = 0; i < 300; i++) {
        if (isRejection(await get(route))) rejected += 1
        await pause(2)
      }
      const probes = reached - before
      assert.equal(rejected + probes, 300)
      const generations = (performance.now() - begun) / CONFIG.open_ms + 1
      assert.ok(
        probes <= CONFIG.half_open_permits * generations,
        `${probes} requests of ${generations} generations reached an upstream that ${what}`,
      )

      behaviour = 'ok'
      await untilServed(route)
    })

  it('opens for an upstream that is slow', async () => {
    const route = await addService({ slow_call_ms: 50, connection_failures: 0 })
    behaviour = 'slow'
    const rejection = await untilRejected(route)
    assert.equal(rejection.status, 503)
  })

  it('is not opened by 401, by 429, nor by clients that leave', async () => {
    const route = await addService({ minimum_calls: 1, failure_rate: 1, connection_failures: 1 })
    const name = route.slice(1)
    const auth = await world.gateway.admin('POST', `/services/${name}/plugins`, { name: 'key-auth' })
    for (let i = 0; i < 20; i++) assert.equal((await get(route)).status, 401)
    await world.gateway.admin('DELETE', `/plugins/${auth.id}`)
    behaviour = 'limited'
    for (let i = 0; i < 20; i++) assert.equal((await get(route)).status, 429)
    behaviour = 'slow'
    for (let i = 0; i < 20; i++) {
      const leaves = AbortSignal.timeout(20)
      await assert.rejects(fetch(`${world.gateway.proxyUrl}${route}`, { signal: leaves }))
    }
    behaviour = 'ok'
    await pause(50)
    for (let i = 0; i < 20; i++) assert.equal((await get(route)).status, 200)
  })

  it('does the same as a member of the composed plugin, and gives the limits their debit back', async () => {
    const limits = [{ name: 'minute', requests: 50, per: 60, algorithm: 'sliding' }]
    const qos = { tiers: { all: { limits } }, default_tier: 'all', sync: 'strict' }
    const route = await addService({}, breaker => ({
      name: 'sluice',
      config: { qos, circuit_breaker: breaker },
    }))
    assert.equal((await get(route)).status, 200)
    behaviour = 'fail'
    await untilRejected(route)
    // Far more than the limit: what the breaker rejects is not used up.
    for (let i = 0; i < 100; i++) assert.notEqual((await get(route)).status, 429)
    behaviour = 'ok'
    await pause(500)
    await until(async () => (await get(route)).status === 200)
  })

  it('answers from its fallback', async () => {
    const body = '{"words":[]}'
    const route = await addService({ fallback: { static: { body } } })
    behaviour = 'fail'
    for (let i = 0; i < 100; i++) {
      const answer = await get(route)
      if (answer.status === 200) {
        assert.equal(answer.body, body)
        assert.equal(answer.headers.get('content-type'), 'application/json')
        return
      }
      await pause(5)
    }
    assert.fail('the fallback was never used')
  })

  // The service is at an address: Kong would take a name for one, too.
  for (const host of ['127.0.0.1', 'localhost'])
    it(`sends to another upstream as a fallback: ${host}`, async () => {
      const { port } = spare.address() as AddressInfo
      const route = await addService({ fallback: { upstream: { host, port, path: '/spare' } } })
      behaviour = 'fail'
      for (let i = 0; i < 100; i++) {
        const answer = await get(route)
        if (answer.status === 200) return assert.equal(answer.body, `spare ${host} /spare`)
        await pause(5)
      }
      return assert.fail('the fallback was never used')
    })

  const wrong: readonly (readonly [config: Record<string, unknown>, field: RegExp])[] = [
    [{ failure_rate: 0 }, /"failure_rate"/],
    [{ failure_rate: 101 }, /"failure_rate"/],
    [{ slow_call_rate: -1 }, /"slow_call_rate"/],
    [{ half_open_permits: 0 }, /"half_open_permits"/],
    [{ window_ms: 999 }, /"window_ms"/],
    [{ window_buckets: 0 }, /"window_buckets"/],
    [{ minimum_calls: 0 }, /"minimum_calls"/],
    [{ failure_statuses: [200] }, /"failure_statuses"/],
    [{ window_type: 'moon' }, /"window_type"/],
    [{ fallback: {} }, /"fallback"/],
    [{ fallback: { static: { body: 'x' }, upstream: { host: 'h', port: 1 } } }, /"fallback"/],
    [{ fallback: { upstream: { host: 'h' } } }, /"port"/],
    [{ fallback: { upstream: { host: 'h', port: 99_999 } } }, /"port"/],
    [{ fallback: { upstream: { host: 'h', port: 1, path: 'x' } } }, /"path"/],
    [{ trip_rate: 50 }, /"trip_rate"/],
  ]
  it('is refused by the Admin API with the name of the field that is wrong', async () => {
    await world.gateway.admin('POST', '/services', { name: 'wrong', url: 'http://127.0.0.1:9' })
    for (const [config, field] of wrong)
      await assert.rejects(
        world.gateway.admin('POST', '/services/wrong/plugins', { name: 'circuit-breaker', config }),
        new RegExp(`400 .*schema violation.*${field.source}`),
        JSON.stringify(config),
      )
    await world.gateway.admin('POST', '/consumers', { username: 'eddie' })
    await assert.rejects(
      world.gateway.admin('POST', '/consumers/eddie/plugins', { name: 'circuit-breaker' }),
      /400 .*schema violation.*"consumer"/,
    )
  })
})
