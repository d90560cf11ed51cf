import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { EventMeter } from '../../../plugin-server/runtime/meter.ts'
import { recordLogs } from '../../support/logs.ts'
import { createTestTime } from '../../support/test-time.ts'

describe('the meter of events', () => {
  /** One late turn of the loop, in which handlers began at the given moments and which ended at the last one. */
  function lateTurn(startsMs: readonly number[], endMs: number): Record<string, unknown>[] {
    const { clock, timers, advance } = createTestTime()
    let tick = () => {}
    const held = {
      ...timers,
      every(_ms: number, callback: () => void) {
        tick = callback
        return () => {}
      },
    }
    const logs = recordLogs()
    const beganAtMs = clock.monotonic()
    const meter = new EventMeter({
      metrics: createMetrics(),
      log: logs.logger,
      clock,
      timers: held,
      plugins: [],
    })
    for (const [index, atMs] of startsMs.entries())
      meter.loop.running(`plugin-${index}`, 'access', beganAtMs + atMs)
    advance(endMs)
    tick()
    meter.close()
    return logs
      .text()
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  }

  it('names the handler that held the loop the longest, the last one too', () => {
    const [first] = lateTurn([0, 10, 410], 420)
    assert.equal(first?.plugin, 'plugin-1')
    assert.equal(first?.blockedMs, 400)
    const [last] = lateTurn([0, 10, 20], 420)
    assert.equal(last?.plugin, 'plugin-2')
    assert.equal(last?.blockedMs, 400)
  })

  it('names nobody after a long turn of many short handlers', () => {
    const starts = Array.from({ length: 9 }, (_, index) => index * 100)
    assert.deepEqual(lateTurn(starts, 900), [])
  })

  it('knows how late the loop was', async () => {
    const { clock, timers, advance } = createTestTime()
    const metrics = createMetrics()
    const meter = new EventMeter({ metrics, log: recordLogs().logger, clock, timers, plugins: [] })
    advance(50)
    assert.match(await metrics.text(), /sluice_loop_lag_seconds 0\n/)
    meter.close()
  })
})
