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
  })
})
