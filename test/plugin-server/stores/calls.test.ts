import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { createMetrics } from '../../../foundation/metrics.ts'
import { CallFaults } from '../../../plugin-server/stores/call-faults.ts'
import { Calls } from '../../../plugin-server/stores/calls.ts'
import type { Link, LinkChange } from '../../../plugin-server/stores/link.ts'
import { partial } from '../../support/partial.ts'
import { silentLog } from '../../support/plugin-server.ts'
import { createTestTime } from '../../support/test-time.ts'

describe('calls to Redis', () => {
  function setUp() {
    const { clock, timers, advance } = createTestTime()
    const state = { isConnected: true }
    const waiting: (() => void)[] = []
    let hear: (change: LinkChange) => void = () => {}
    const link = partial<Link>({
      get isConnected() {
        return state.isConnected
      },
      isTrying: true,
      serverOf: () => 'redis',
      connected: () => new Promise<void>(resolve => waiting.push(resolve)),
      onChange: (listener: typeof hear) => {
        hear = listener
        return () => {}
      },
      evaluate: async () => 'OK',
    })
    const metrics = createMetrics()
    const outcome = (name: string) => metrics.counter(`sluice_${name}_total`, name).with({})
    const calls = new Calls({
      link,
      deadlineMs: 20,
      awaitsConnection: true,
      clock,
      timers,
      log: silentLog,
      metrics: {
        outcomes: {
          ok: outcome('ok'),
          late: outcome('late'),
          refused: outcome('refused'),
          not_tried: outcome('not_tried'),
        },
        seconds: metrics.histogram('sluice_seconds', 'seconds', [1]).with({}),
      },
      faults: new CallFaults(silentLog, () => clock.monotonic()),
    })
    /** Time goes on in small steps, in which the process could have read an answer. */
    const pass = async (ms: number) => {
      for (let at = 0; at < ms; at += 5) {
        advance(5)
        await turn()
      }
    }
    return {
      calls,
      pass,
      metrics,
      connect: () => {
        state.isConnected = true
        for (const connect of waiting.splice(0)) connect()
        hear('connected')
      },
      disconnect: () => {
        state.isConnected = false
        hear('lost')
      },
    }
  }

  it('that have waited for a connection in vain are not sent over it when it comes', async () => {
    const { calls, pass, connect, disconnect } = setUp()
    disconnect()
    let sent = 0
    const send = async () => ++sent
    const late = assert.rejects(calls.run('key', 'a call', send), { code: 'SLUICE_STORE_TIMEOUT' })
    await pass(40)
    await late
    const inTime = calls.run('key', 'a call', send)
    connect()
    assert.equal(await inTime, 1)
    await turn()
    assert.equal(sent, 1)
    calls.close()
  })

  it('that fail with their connection are not held against the server', async () => {
    const { calls, connect, disconnect } = setUp()
    let fail: (error: Error) => void = () => {}
    const answer = calls.run('key', 'a call', () => new Promise((_, reject) => (fail = reject)))
    disconnect()
    fail(new Error('Connection is closed.'))
    await assert.rejects(answer, { code: 'SLUICE_STORE_UNAVAILABLE' })
    connect()
    assert.equal(calls.canReach('key'), true)
    calls.close()
  })

  it('that are late are counted once, whatever comes of them later', async () => {
    const { calls, pass, metrics } = setUp()
    let fail: (error: Error) => void = () => {}
    const send = () => new Promise((_, reject) => (fail = reject))
    const late = assert.rejects(calls.run('key', 'a call', send), { code: 'SLUICE_STORE_TIMEOUT' })
    await pass(40)
    await late
    fail(new Error('Connection is closed.'))
    await turn()
    const text = await metrics.text()
    assert.match(text, /sluice_late_total 1\n/)
    assert.match(text, /sluice_refused_total 0\n/)
    calls.close()
  })
})
