import assert from 'node:assert/strict'
import { Histogram, Registry } from 'prom-client'
import { type ObserveServer, serveObservations } from '../../foundation/health.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

interface ShownTraffic {
  readonly service: string
  readonly requests: number
  readonly errors: number
  readonly client_errors: number
  readonly error_rate: number
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number } | null
}

describe("the manager's overview", function () {
  this.timeout(60_000)
  let gateway: RunningGateway
  let upstream: TestUpstream
  let manager: RunningManager
  let observed: ObserveServer
  const metrics = createMetrics()
  const registry = new Registry()
  // As request-log, qos and the events' pipeline name and count them.
  const durations = new Histogram({
    name: 'sluice_request_duration_seconds',
    help: 'x',
    buckets: [0.01, 0.1, 1],
    labelNames: ['service', 'route', 'status'],
    registers: [registry],
  })
  const decisions = metrics.counter('sluice_qos_decisions_total', 'x', ['tier', 'outcome', 'reason'])
  const backlog = metrics.gauge('sluice_events_backlog_records', 'x', ['sink'])
  const lag = metrics.gauge('sluice_events_lag_seconds', 'x', ['sink'])

  before(async function () {
    this.timeout(START_MS)
    upstream = await startUpstream((request, response) => {
      response.statusCode = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('st') ?? 200)
      response.end('ok')
    })
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 'shop', url: upstream.url })
    await gateway.admin('POST', '/services/shop/routes', { name: 'r', paths: ['/r'] })
    await gateway.admin('POST', '/plugins', {
      name: 'prometheus',
      config: { status_code_metrics: true, latency_metrics: true },
    })
    observed = await serveObservations(
      { host: '127.0.0.1', port: 0 },
      { metrics: { text }, health: () => ({ blockers: [], problems: [], warnings: [] }) },
    )
    // Counted before anybody looked: not now.
    durations.labels({ service: 'old', route: 'r', status: '2xx' }).observe(1)
    manager = await startTestManager({
      SLUICE_ADMIN_URL: gateway.adminUrl,
      SLUICE_MANAGER_METRICS_URLS: `${gateway.adminUrl}/metrics,http://127.0.0.1:${observed.port}/metrics,http://127.0.0.1:9/metrics`,
    })
    await until('both were read', async () => {
      const { body } = await overview()
      return body.sources.filter(({ ok }: { ok: boolean }) => ok).length === 2
    })
  })
  after(async () => {
    await manager?.close()
    await observed?.close()
    await gateway?.close()
    await upstream?.close()
  })

  const text = async () => `${await registry.metrics()}${await metrics.text()}`

  const overview = (query = '') =>
    manager.call('GET', `/v1/overview${query}`, undefined, { token: manager.tokens.viewer })

  const serviceOf = async (name: string): Promise<ShownTraffic | undefined> =>
    (await overview('?seconds=900')).body.services.find(({ service }: ShownTraffic) => service === name)

  it('counts requests, errors and durations of a service, from Kong', async () => {
    const ask = async (status: number) => (await fetch(`${gateway.proxyUrl}/r?st=${status}`)).text()
    for (let i = 0; i < 8; i++) await ask(200)
    await ask(404)
    await ask(503)
    await until('all are counted', async () => (await serviceOf('shop'))?.requests === 10)
    const shop = await serviceOf('shop')
    assert.deepEqual([shop?.errors, shop?.client_errors, shop?.error_rate], [1, 1, 0.1])
    assert.ok(shop?.latency_ms && shop.latency_ms.p50 > 0 && shop.latency_ms.p50 <= shop.latency_ms.p99)
    const { body } = await overview('?seconds=900')
    assert.equal(body.total.requests >= 10, true)
  })

  it('counts those of the request log, and takes the better figures of both', async () => {
    for (let i = 0; i < 3; i++) durations.labels({ service: 'own', route: 'r', status: '2xx' }).observe(0.05)
    durations.labels({ service: 'own', route: 'r', status: '5xx' }).observe(0.05)
    durations.labels({ service: 'own', route: 'r', status: 'none' }).observe(0.05)
    // Kong counts these requests too: they are not twice as many.
    for (let i = 0; i < 10; i++) durations.labels({ service: 'shop', route: 'r', status: '2xx' }).observe(0.5)
    await until('all are counted', async () => (await serviceOf('own'))?.requests === 5)
    const own = await serviceOf('own')
    assert.deepEqual([own?.errors, own?.client_errors], [2, 0])
    assert.ok(own?.latency_ms && own.latency_ms.p95 > 10 && own.latency_ms.p95 <= 100)
    const shop = await serviceOf('shop')
    assert.equal(shop?.requests, 10)
    assert.ok(shop.latency_ms && shop.latency_ms.p50 > 100)
    assert.equal(await serviceOf('old'), undefined)
  })

  it('tells limits and sinks', async () => {
    decisions.with({ tier: 'gold', outcome: 'admitted', reason: 'node' }).add(7)
    decisions.with({ tier: 'gold', outcome: 'refused', reason: 'node' }).add(2)
    backlog.with({ sink: 'postgres' }).set(12)
    lag.with({ sink: 'postgres' }).set(3)
    await until('they are counted', async () => (await overview('?seconds=900')).body.limits.refused === 2)
    const { body } = await overview('?seconds=900')
    assert.deepEqual(body.limits, {
      allowed: 7,
      refused: 2,
      shed: 0,
      by_tier: [{ tier: 'gold', allowed: 7, refused: 2, shed: 0 }],
    })
    assert.deepEqual(body.sinks, [
      { sink: 'postgres', backlog_records: 12, backlog_bytes: 0, lag_seconds: 3, confirmed_rate: 0 },
    ])
  })

  it('says which sources cannot be read, and what else is missing', async () => {
    const { body } = await overview()
    const away = body.sources[2]
    assert.deepEqual([away.ok, away.at], [false, null])
    assert.match(away.reason, /ECONNREFUSED|bad port/)
    assert.equal(body.breakers, null)
    assert.ok(body.problems.some((problem: string) => problem.includes('SLUICE_REDIS_URL')))
  })

  it('has a series whose points add up, and never change', async () => {
    await until('the counts lie in whole steps', async () => {
      const { series } = (await overview('?step=1')).body
      return sum(series.services.shop?.requests ?? []) === 10
    })
    const { series } = (await overview('?step=1')).body
    const at: number[] = series.at
    assert.equal(series.services.shop.p95.length, at.length)
    assert.ok(at.every((second, i) => i === 0 || second === (at[i - 1] ?? 0) + 1))
    const since = at.at(-3) ?? 0
    await until(
      'time goes on',
      async () => ((await overview('?step=1')).body.series.at.at(-1) ?? 0) > (at.at(-1) ?? 0),
    )
    const later = (await overview(`?step=1&since=${since}`)).body.series
    assert.equal(later.at[0], since + 1)
    assert.deepEqual(later.total.requests.slice(0, 2), series.total.requests.slice(-2))
  })

  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

  it('begins anew where a counter does', async () => {
    await observed.close()
    const fresh = createMetrics()
    fresh
      .counter('sluice_qos_decisions_total', 'x', ['tier', 'outcome', 'reason'])
      .with({ tier: 'gold', outcome: 'admitted', reason: 'node' })
      .add(4)
    observed = await serveObservations(
      { host: '127.0.0.1', port: observed.port },
      { metrics: fresh, health: () => ({ blockers: [], problems: [], warnings: [] }) },
    )
    await until('they are counted', async () => (await overview('?seconds=900')).body.limits.allowed === 11)
  })

  it('takes only what can be asked', async () => {
    for (const query of ['?seconds=0', '?seconds=901', '?step=61', '?since=x', '?minutes=5'])
      assert.equal((await overview(query)).status, 400, query)
  })
})
