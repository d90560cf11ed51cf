import assert from 'node:assert/strict'
import { type Health, type ObserveServer, serveObservations } from '../../foundation/health.ts'
import { createMetrics } from '../../foundation/metrics.ts'

describe('the HTTP endpoints', () => {
  const metrics = createMetrics()
  let health: Health = { ready: true, problems: [] }
  let server: ObserveServer
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init)

  before(async () => {
    server = await serveObservations({ host: '127.0.0.1', port: 0 }, metrics, () => health)
  })
  after(() => server.close())

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

  it('tell the readiness with its reasons, apart from the health', async () => {
    assert.equal((await get('/readyz')).status, 200)
    health = { ready: false, problems: ['postgres has taken no event for 70 s'] }
    const response = await get('/readyz')
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), { status: 'not ready', problems: health.problems })
    assert.equal((await get('/healthz')).status, 200)
  })

  it('change nothing and serve nothing else', async () => {
    assert.equal((await get('/metrics', { method: 'POST' })).status, 405)
    assert.equal((await get('/')).status, 404)
  })

  it('name a port that is taken', async () => {
    const { port } = server
    await assert.rejects(
      serveObservations({ host: '127.0.0.1', port }, metrics, () => health),
      { code: 'SLUICE_PORT_IN_USE', message: new RegExp(`127.0.0.1:${port}`) },
    )
  })
})
