import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { createMetrics } from '../../../foundation/metrics.ts'
import { createEventMeter } from '../../../plugin-server/runtime/meter.ts'
import { recordLogs } from '../../support/logs.ts'

describe('the meter of events', () => {
  /** One late turn of the loop, in which handlers began at the given moments and which ended at the last one. */
  async function lateTurn(startsMs: readonly number[], endMs: number): Promise<Record<string, unknown>[]> {
    let nowMs = 0
    const metrics = createMetrics()
    const logs = recordLogs()
    const meter = createEventMeter(metrics, logs.logger, () => nowMs)
    try {
      for (const [index, atMs] of startsMs.entries()) meter.running(`plugin-${index}`, 'access', atMs)
      nowMs = endMs
      while (!/sluice_loop_lag_seconds 0\.[1-9]/.test(await metrics.text())) await pause(5)
    } finally {
      meter.close()
    }
    return logs
      .text()
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  }

  it('names the handler that held the loop the longest, the last one too', async () => {
    const [first] = await lateTurn([0, 10, 410], 420)
    assert.equal(first?.plugin, 'plugin-1')
    assert.equal(first?.blockedMs, 400)
    const [last] = await lateTurn([0, 10, 20], 420)
    assert.equal(last?.plugin, 'plugin-2')
    assert.equal(last?.blockedMs, 400)
  })

  it('names nobody after a long turn of many short handlers', async () => {
    const starts = Array.from({ length: 9 }, (_, index) => index * 100)
    assert.deepEqual(await lateTurn(starts, 900), [])
  })
})
