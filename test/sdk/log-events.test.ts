import assert from 'node:assert/strict'
import { createMetrics } from '../../foundation/metrics.ts'
import { createLogEventCounter } from '../../sdk/log-events.ts'

describe('the count of log events', () => {
  it('has the labels that Kong gives its own count of requests', async () => {
    const metrics = createMetrics()
    const count = createLogEventCounter(metrics, 'sluice')
    const named = {
      service: { id: 's1', name: 'dictionary', host: 'd.internal' },
      route: { id: 'r1', name: 'words' },
    }
    count(named)
    count(named)
    count({ service: { id: 's2', host: 'unnamed.internal' }, route: { id: 'r2' } })
    count({})
    const lines = (await metrics.text())
      .split('\n')
      .filter(line => line.startsWith('sluice_log_events_total'))
    assert.deepEqual(lines.sort(), [
      'sluice_log_events_total{plugin="sluice",service="",route=""} 1',
      'sluice_log_events_total{plugin="sluice",service="dictionary",route="words"} 2',
      'sluice_log_events_total{plugin="sluice",service="unnamed.internal",route="r2"} 1',
    ])
  })
})
