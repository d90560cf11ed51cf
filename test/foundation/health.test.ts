import assert from 'node:assert/strict'
import { type Health, type ObserveServer, serveObservations } from '../../foundation/health.ts'
import { createMetrics } from '../../foundation/metrics.ts'

describe('the HTTP endpoints', () => {
  const metrics = createMetrics()
  const WELL: Health = { blockers: [], problems: [], warnings: [] }
  let health = WELL
  let server: ObserveServer
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init)

  before(async () => {
    server = await serveObservations({ host: '127.0.0.1', port: 0 }, { metrics, health: () => health })
  })
  after(() => server.close())

  it('show a counter from its beginning, with 0', async () => {
    metrics.counter('sluice_idle_total', 'A test.', ['plugin']).with({ plugin: 'a' })
    assert.match(await (await get('/metrics')).text(), /^sluice_idle_total\{plugin="a"\} 0$/m)
  })

  it('show what was counted and observed up to now', async () => {
    const counter = metrics.counter('sluice_test_total', 'A test.', ['plugin']).with({ plugin: 'a' })
    const histogram = metrics.histogram('sluice_test_seconds', 'A test.', [1, 2]).with({})
    counter.add()
    counter.add(2)
    for (let i = 0; i < 1000; i++) histogram.observe(i % 2 === 0 ? 0.5 : 1.5)
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await (await get('/metrics')).text()
      assert.match(text, /^sluice_test_total\{plugin="a"\} 3$/m)
      assert.match(text, /^sluice_test_seconds_bucket\{le="1"\} 500$/m)
      assert.match(text, /^sluice_test_seconds_sum 1000$/m)
    }
    assert.throws(() => counter.add(-1), RangeError)
  })

  const read = async (path: string) => {
    const answer = await get(path)
    return [answer.status, await answer.json()]
  }

  it('are ready whatever is wrong with sinks', async () => {
    health = { ...WELL, warnings: ['postgres has accepted no event for 70 s'] }
    assert.deepEqual(await read('/readyz'), [200, { status: 'ready', problems: [] }])
    assert.deepEqual(await read('/healthz'), [200, { status: 'ok' }])
    const { warnings } = health
    assert.deepEqual(await read('/healthz?verbose'), [
      200,
      { status: 'degraded', ready: true, problems: [], warnings },
    ])
  })

  it('are ready while requests are decided in another way, and say so', async () => {
    const problems = ['Redis is unavailable']
    health = { ...WELL, problems }
    assert.deepEqual(await read('/readyz'), [200, { status: 'ready', problems }])
  })

  it('are not ready when no request can be decided, and live all the same', async () => {
    health = { blockers: ['the server is draining'], problems: ['Redis is unavailable'], warnings: [] }
    const problems = ['the server is draining', 'Redis is unavailable']
    assert.deepEqual(await read('/readyz'), [503, { status: 'not ready', problems }])
    assert.deepEqual(await read('/healthz?verbose'), [
      200,
      { status: 'degraded', ready: false, problems, warnings: [] },
    ])
    assert.deepEqual(await read('/healthz'), [200, { status: 'ok' }])
    health = WELL
    assert.deepEqual(await read('/healthz?verbose'), [
      200,
      { status: 'ok', ready: true, problems: [], warnings: [] },
    ])
  })

  it('change nothing and serve nothing else', async () => {
    assert.equal((await get('/metrics', { method: 'POST' })).status, 405)
    assert.equal((await get('/')).status, 404)
  })

  it('name a port that is taken', async () => {
    const { port } = server
    await assert.rejects(serveObservations({ host: '127.0.0.1', port }, { metrics, health: () => health }), {
      code: 'SLUICE_PORT_IN_USE',
      message: new RegExp(`127.0.0.1:${port}`),
    })
  })
})
