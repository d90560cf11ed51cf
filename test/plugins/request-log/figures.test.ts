import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { RequestFigures } from '../../../plugins/request-log/figures.ts'

describe('the figures of requests', () => {
  it('have series of their own for a bounded number of services and routes, and one for the rest', async () => {
    const metrics = createMetrics()
    const figures = new RequestFigures(metrics)
    const latencies = { request: 5, proxy: 3 }
    for (let i = 0; i < 1_010; i++)
      figures.add({
        service: { name: `s${i}` },
        route: { name: `r${i}` },
        latencies,
        response: { status: 200 },
      })
    const counts = (await metrics.text()).match(/^sluice_request_duration_seconds_count\{.*$/gm) ?? []
    assert.equal(counts.length, 1_001)
    assert.deepEqual(
      counts.filter(line => line.includes('(other)')),
      ['sluice_request_duration_seconds_count{service="(other)",route="(other)",status="2xx"} 10'],
    )
    // Those that have series keep them, of every class of status.
    for (const status of [200, 404])
      figures.add({ service: { name: 's0' }, route: { name: 'r0' }, latencies, response: { status } })
    const text = await metrics.text()
    for (const [status, count] of [
      ['2xx', 2],
      ['4xx', 1],
    ])
      assert.match(text, new RegExp(`_count\\{service="s0",route="r0",status="${status}"\\} ${count}`))
  })

  it('have no time of a service that was not asked, and a class for what was no answer', async () => {
    const metrics = createMetrics()
    const figures = new RequestFigures(metrics)
    figures.add({ latencies: { request: 5, proxy: -1 }, response: { status: 401 } })
    figures.add({ latencies: { request: 5 } })
    figures.add({ latencies: { request: 5 }, response: { status: 999 } })
    const text = await metrics.text()
    assert.doesNotMatch(text, /^sluice_request_upstream_duration_seconds_count\{.*\} [1-9]/m)
    assert.match(text, /^sluice_request_duration_seconds_count\{.*status="none"\} 2$/m)
  })
})
