import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { FailureLog } from '../../../plugin-server/runtime/failure-log.ts'
import { LoopWatch } from '../../../plugin-server/runtime/loop-watch.ts'
import { EventMeter } from '../../../plugin-server/runtime/meter.ts'
import { Refusals } from '../../../plugin-server/runtime/refusals.ts'
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

  it('names nobody for a late turn in which no handler ran', () => {
    const { clock, advance } = createTestTime()
    const logs = recordLogs()
    const loop = new LoopWatch(createMetrics(), logs.logger, [], clock.monotonic())
    loop.running('quick', 'access', clock.monotonic())
    for (const ms of [50, 400]) {
      advance(ms)
      loop.tick(clock.monotonic())
    }
    assert.equal(logs.text(), '')
  })

  it('writes a failure once, whoever is first: the id of its request, the time, or the end', () => {
    const logs = recordLogs()
    const failures = new FailureLog()
    const failure = {
      log: logs.logger,
      plugin: 'p',
      phase: 'access',
      kind: 'late',
      error: undefined,
    } as const
    const line = failures.add(failure, 0)
    failures.tick(1001)
    line?.write('an id that came late')
    failures.close()
    assert.equal(logs.text().match(/phase timed out/g)?.length, 1)
    assert.doesNotMatch(logs.text(), /came late/)
  })

  it('tells of a refused instance for five minutes', () => {
    let nowMs = 0
    const refusals = new Refusals(createMetrics(), ['known'], () => nowMs)
    refusals.add('known', 'config.x is wrong')
    refusals.add('made up by a client', 'there is none')
    nowMs = 299_999
    assert.deepEqual(
      refusals.problems().map(problem => problem.split(' ')[3]),
      ['known', 'unknown'],
    )
    nowMs = 300_000
    assert.deepEqual(refusals.problems(), [])
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
