import assert from 'node:assert/strict'
import { createMetrics } from '../../foundation/metrics.ts'

describe('metrics', () => {
  it('bind the same labels once, so that binding them for each event keeps nothing', () => {
    const metrics = createMetrics()
    const counter = metrics.counter('sluice_test_total', 'a test', ['outcome', 'reason'])
    const gauge = metrics.gauge('sluice_test_state', 'a test', ['sink'])
    const histogram = metrics.histogram('sluice_test_seconds', 'a test', [1], ['phase'])
    assert.equal(counter.with({ outcome: 'a', reason: 'b' }), counter.with({ reason: 'b', outcome: 'a' }))
    assert.notEqual(counter.with({ outcome: 'a', reason: 'b' }), counter.with({ outcome: 'b', reason: 'a' }))
    assert.equal(gauge.with({ sink: 'postgres' }), gauge.with({ sink: 'postgres' }))
    assert.equal(histogram.with({ phase: 'log' }), histogram.with({ phase: 'log' }))
  })

  it('add up what was counted through each binding', async () => {
    const metrics = createMetrics()
    const counter = metrics.counter('sluice_test_total', 'a test', ['outcome'])
    counter.with({ outcome: 'ok' }).add()
    counter.with({ outcome: 'ok' }).add(2)
    counter.with({ outcome: 'late' }).add()
    const text = await metrics.text()
    assert.match(text, /sluice_test_total\{outcome="ok"\} 3/)
    assert.match(text, /sluice_test_total\{outcome="late"\} 1/)
  })
})
