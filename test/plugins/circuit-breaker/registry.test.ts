import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { orderMode } from '../../../plugins/circuit-breaker/management.ts'
import type { Mode } from '../../../plugins/circuit-breaker/mode.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { linkTo } from './faulty-store.ts'
import { createNode, type SimulatedNode, settled } from './simulated-node.ts'

const times = async (n: number, act: () => unknown): Promise<void> => {
  for (let i = 0; i < n; i++) await act()
}

const fail = (node: SimulatedNode, n: number) => times(n, () => node.request('failure'))
const succeed = (node: SimulatedNode, n: number) => times(n, () => node.request('success'))

/** Opens after two failures, can be probed a second later, by one probe at a time. */
const PROBING = {
  minimum_calls: 2,
  open_ms: 1000,
  open_jitter: 0,
  half_open_permits: 1,
  probe_timeout_ms: 3000,
} as const

describe('a breaker on one node', () => {
  it('opens when the failure rate is reached, and not before the minimum of calls', async () => {
    const node = await createNode({ config: { minimum_calls: 10, failure_rate: 50 } })
    await succeed(node, 4)
    await fail(node, 5)
    assert.equal(node.phase(), 'closed')
    await fail(node, 1)
    assert.equal(node.phase(), 'open')
    assert.equal((await node.request('success')).kind, 'reject')
  })

  it('counts the request that made it, which began before', async () => {
    const node = await createNode({ config: { minimum_calls: 4, failure_rate: 50 } })
    node.finish({ kind: 'pass' }, 'success', { startedAtMs: node.clock.now() - 5 })
    await succeed(node, 2)
    await fail(node, 2)
    assert.equal(node.entry.breaker.window.calls, 5)
    assert.equal(node.phase(), 'closed')
  })

  it('counts after a restart what began in the generation that holds, and nothing from before', async () => {
    const config = { minimum_calls: 2, open_ms: 1000, open_jitter: 0, half_open_permits: 1, recovery_ms: 0 }
    const before = await createNode({ config })
    const { store, clock } = before
    await fail(before, 2)
    await settled()
    clock.advance(1000)
    await succeed(before, 1)
    await settled()
    assert.equal(before.phase(), 'closed')
    const closedAtMs = clock.now()
    clock.advance(5000)
    const after = await createNode({ config, store, clock })
    after.finish({ kind: 'pass' }, 'failure', { startedAtMs: closedAtMs - 1 })
    assert.equal(after.entry.breaker.window.calls, 0)
    after.finish({ kind: 'pass' }, 'failure', { startedAtMs: closedAtMs + 1 })
    assert.equal(after.entry.breaker.window.calls, 1)
  })

  it('opens when too many calls are slow', async () => {
    const node = await createNode({ config: { minimum_calls: 10, slow_call_ms: 100, slow_call_rate: 80 } })
    await times(2, () => node.request('success'))
    await times(7, () => node.request('success', { slow: true }))
    assert.equal(node.phase(), 'closed')
    await node.request('success', { slow: true })
    assert.equal(node.phase(), 'open')
    await settled()
    assert.equal(node.events.drafts[0]?.data.cause, 'slow-call-rate')
  })

  it('opens after connection failures in a row, whatever the minimum of calls', async () => {
    const node = await createNode({ config: { connection_failures: 3 } })
    await times(2, () => node.request('unreachable'))
    await node.request('success')
    await times(2, () => node.request('unreachable'))
    assert.equal(node.phase(), 'closed')
    await node.request('unreachable')
    assert.equal(node.phase(), 'open')
  })

  it('does not count what says nothing about the upstream', async () => {
    const node = await createNode({ config: { minimum_calls: 1 } })
    await times(100, () => node.request('none'))
    assert.equal(node.phase(), 'closed')
    assert.equal(node.entry.breaker.window.calls, 0)
  })

  it('forgets what is older than its window', async () => {
    const node = await createNode({ config: { minimum_calls: 10 } })
    await fail(node, 9)
    node.clock.advance(10_001)
    await fail(node, 9)
    assert.equal(node.phase(), 'closed')
  })

  it('says when to come back, never too early', async () => {
    const node = await createNode({ config: { minimum_calls: 2, open_ms: 5000, open_jitter: 0 } })
    await fail(node, 2)
    node.clock.advance(1200)
    const decision = await node.request('success')
    assert.equal(decision.kind === 'reject' && decision.retryAfterMs, 3800)
  })

  it('lets as many probes through as it has permits, then a growing share, then all', async () => {
    const config = {
      minimum_calls: 2,
      open_ms: 1000,
      open_jitter: 0,
      half_open_permits: 3,
      recovery_ms: 10_000,
    }
    const node = await createNode({ config })
    await fail(node, 2)
    node.clock.advance(1000)
    const decisions = []
    for (let i = 0; i < 10; i++) decisions.push(await node.registry.decide(node.entry))
    assert.deepEqual(
      decisions.map(d => d.kind),
      [...Array(3).fill('probe'), ...Array(7).fill('reject')],
    )
    for (const decision of decisions.slice(0, 3)) node.finish(decision, 'success')
    await settled()
    assert.equal(node.phase(), 'recovering')

    const admitted = async () => {
      let passed = 0
      for (let i = 0; i < 100; i++) if ((await node.request('success')).kind === 'pass') passed += 1
      return passed
    }
    assert.ok(Math.abs((await admitted()) - 10) <= 1)
    node.clock.advance(5000)
    assert.ok(Math.abs((await admitted()) - 55) <= 1)
    node.clock.advance(5000)
    assert.equal(await admitted(), 100)
    await node.registry.flush()
    assert.equal(node.phase(), 'closed')
    await settled()
    assert.deepEqual(
      node.events.drafts.map(e => e.type),
      ['circuit.opened.v1', 'circuit.half-opened.v1', 'circuit.recovering.v1', 'circuit.closed.v1'],
    )
  })

  it('opens again, for twice as long, when the probes fail', async () => {
    const config = { minimum_calls: 2, open_ms: 1000, open_jitter: 0, half_open_permits: 2 }
    const node = await createNode({ config })
    await fail(node, 2)
    node.clock.advance(1000)
    assert.equal((await node.request('failure')).kind, 'probe')
    await settled()
    assert.equal(node.phase(), 'open')
    node.clock.advance(1999)
    assert.equal((await node.request('success')).kind, 'reject')
    node.clock.advance(1)
    assert.equal((await node.request('success')).kind, 'probe')
  })

  it('opens again in the ramp on a quarter of the minimum of calls', async () => {
    const config = { minimum_calls: 20, open_ms: 1000, open_jitter: 0, half_open_permits: 1 }
    const node = await createNode({ config })
    await fail(node, 20)
    node.clock.advance(1000)
    await node.request('success')
    await settled()
    assert.equal(node.phase(), 'recovering')
    node.clock.advance(9000)
    await fail(node, 4)
    assert.equal(node.phase(), 'recovering')
    await fail(node, 3)
    await settled()
    assert.equal(node.phase(), 'open')
  })

  it('gives the permit of a probe that is silent to another', async () => {
    const node = await createNode({ config: PROBING })
    await fail(node, 2)
    node.clock.advance(1000)
    assert.equal((await node.request('success', { lost: true })).kind, 'probe')
    assert.equal((await node.request('success')).kind, 'reject')
    node.clock.advance(3000)
    await node.registry.flush()
    assert.equal(node.phase(), 'half-open')
    await node.request('success')
    await settled()
    assert.equal(node.phase(), 'recovering')
    assert.ok(node.events.of('circuit.probe-lost.v1').some(e => e.data.lost === 1))
  })

  it('takes the result of a probe that is late: a long download has its log event at its end', async () => {
    const config = { ...PROBING, half_open_permits: 2 }
    const node = await createNode({ config })
    await fail(node, 2)
    node.clock.advance(1000)
    const downloads = [await node.registry.decide(node.entry), await node.registry.decide(node.entry)]
    node.clock.advance(600_000)
    await node.registry.flush()
    assert.equal(node.phase(), 'half-open')
    for (const download of downloads) node.finish(download, 'success', { startedAtMs: 0 })
    await settled()
    assert.equal(node.phase(), 'recovering')
  })

  it('heals by streams alone, whose log events never come', async () => {
    const node = await createNode({ config: { ...PROBING, half_open_permits: 2 } })
    await fail(node, 2)
    node.clock.advance(1000)
    const stream = { kind: 'stream', lost: true } as const
    const kinds = []
    for (let i = 0; i < 3; i++) kinds.push((await node.request('success', stream)).kind)
    assert.deepEqual(kinds, ['probe', 'probe', 'reject'])
    node.clock.advance(3000)
    await node.registry.flush()
    assert.equal(node.phase(), 'recovering')
    node.clock.advance(10_000)
    await node.registry.flush()
    assert.equal((await node.request('success', stream)).kind, 'pass')
  })

  it('opens again when streams are refused', async () => {
    const node = await createNode({ config: PROBING })
    await fail(node, 2)
    node.clock.advance(1000)
    assert.equal((await node.request('failure', { kind: 'stream' })).kind, 'probe')
    await settled()
    assert.equal(node.phase(), 'open')
  })

  it('does not let streams keep requests from probing, nor requests streams', async () => {
    const node = await createNode({ config: PROBING })
    await fail(node, 2)
    node.clock.advance(1000)
    const never = { lost: true } as const
    assert.equal((await node.request('success', { ...never, kind: 'stream' })).kind, 'probe')
    assert.equal((await node.request('success', { ...never, kind: 'stream' })).kind, 'reject')
    assert.equal((await node.request('success', never)).kind, 'probe')
    assert.equal((await node.request('success', never)).kind, 'reject')
  })

  it('takes the result of its own probe from the worker that Kong has sent the log event to', async () => {
    const clock = createTestClock()
    const store = new MemoryStore({ clock, metrics: createMetrics() })
    // So many that one node's trouble opens that node only.
    Object.assign(store, { peers: { nodes: 9, processes: 18, isSettled: true } })
    const config = { ...PROBING, recovery_ms: 0 }
    const one = await createNode({ config, store, clock, random: () => 0.1 })
    const other = await createNode({ config, store, clock, random: () => 0.2 })
    await fail(one, 2)
    assert.deepEqual([one.phase(), one.entry.breaker.shared.phase], ['open', 'closed'])
    clock.advance(1000)
    const probe = await one.registry.decide(one.entry)
    assert.equal(probe.kind, 'probe')
    for (const message of ['', 'null', '[]', '["service:s",{}]', '["service:s",null]'])
      await store.publish('sluice:breaker:probes', message)
    await settled()
    assert.equal(one.phase(), 'half-open')
    other.finish(probe, 'success')
    await settled()
    assert.deepEqual([one.phase(), other.phase()], ['closed', 'closed'])
  })

  it('gives the permit of a probe back that told nothing', async () => {
    const node = await createNode({
      config: { minimum_calls: 2, open_ms: 1000, open_jitter: 0, half_open_permits: 1 },
    })
    await fail(node, 2)
    node.clock.advance(1000)
    assert.equal((await node.request('none')).kind, 'probe')
    await settled()
    assert.equal((await node.request('success')).kind, 'probe')
    await settled()
    assert.equal(node.phase(), 'recovering')
  })

  it('does not close on a slow success of before it opened', async () => {
    const node = await createNode({
      config: { minimum_calls: 2, open_ms: 1000, open_jitter: 0, half_open_permits: 1 },
    })
    const early = await node.registry.decide(node.entry)
    const startedAtMs = node.clock.now()
    node.clock.advance(10)
    await fail(node, 2)
    node.clock.advance(1000)
    const probe = await node.registry.decide(node.entry)
    node.finish(early, 'success', { startedAtMs })
    await settled()
    assert.equal(node.phase(), 'half-open')
    node.finish(probe, 'failure')
    await settled()
    assert.equal(node.phase(), 'open')
    // The same probe again: Kong can deliver a log event twice.
    node.finish(probe, 'success')
    await settled()
    assert.equal(node.phase(), 'open')
  })

  it('is forgotten after an hour without requests, unless it is open or ordered', async () => {
    const node = await createNode({
      config: { minimum_calls: 2, open_ms: 3_600_000 * 2, max_open_ms: 3_600_000 * 2 },
    })
    await succeed(node, 1)
    node.clock.advance(31_000)
    await node.registry.flush()
    node.clock.advance(3_600_000 - 31_000)
    node.registry.forgetUnused()
    assert.equal(node.registry.size, 1)
    await fail(node, 2)
    node.clock.advance(3_700_000)
    await node.registry.flush()
    await node.registry.flush()
    node.registry.forgetUnused()
    assert.equal(node.registry.size, 1, 'it is open')
    const other = await createNode()
    await succeed(other, 1)
    other.clock.advance(31_000)
    await other.registry.flush()
    other.clock.advance(3_600_000)
    other.registry.forgetUnused()
    assert.equal(other.registry.size, 0)
  })

  it('asks for the whole quorum as long as it does not know who else there is', async () => {
    const clock = createTestClock()
    const store = new MemoryStore({ clock, metrics: createMetrics() })
    Object.assign(store, { peers: { nodes: 1, processes: 1, isSettled: false } })
    const node = await createNode({ config: PROBING, store, clock })
    await fail(node, 4)
    await settled()
    assert.deepEqual([node.phase(), node.entry.breaker.shared.phase], ['open', 'closed'])
  })

  it('does not open the cluster by itself in a ramp, nor at a message or an order that is older', async () => {
    const clock = createTestClock()
    const store = linkTo(new MemoryStore({ clock, metrics: createMetrics() }), 9)
    const node = await createNode({ config: { ...PROBING, recovery_ms: 60_000 }, store, clock })
    const { breaker } = node.entry
    const tell = async (part: object) => {
      const mode = { sequence: 0, mode: 'auto', remainingMs: 0, actor: '', reason: '' }
      const totals = { calls: 0, failures: 0, slow: 0, nodes: 0, witnesses: 0 }
      const snapshot = { generation: 5, phase: 'recovering', attempt: 0, elapsedMs: 0, remainingMs: 60_000 }
      await store.publish(
        'sluice:breaker',
        JSON.stringify(['service:s', { ...snapshot, totals, mode, ...part }]),
      )
      await settled()
    }
    await tell({
      mode: { sequence: 7, mode: 'metrics-only', remainingMs: 0, actor: 'eddie', reason: 'test' },
    })
    for (let i = 0; i < 8; i++) node.finish({ kind: 'pass' }, 'failure')
    await settled()
    assert.deepEqual([breaker.shared.phase, breaker.shared.generation], ['recovering', 5])
    await tell({ generation: 4, phase: 'closed' })
    assert.deepEqual([breaker.shared.phase, breaker.shared.generation], ['recovering', 5])
    await tell({ mode: { sequence: 6, mode: 'forced-open', remainingMs: 0, actor: 'eddie', reason: 'test' } })
    assert.equal(breaker.mode.mode, 'metrics-only')
  })

  it('finds the permit again whose grant was lost on the way, and does not ask again while none is left', async () => {
    const clock = createTestClock()
    const store = linkTo(new MemoryStore({ clock, metrics: createMetrics() }), 1)
    let asked = 0
    const { run } = store
    store.run = (script, key, args, onLate) => {
      if ((args as { operation?: { op: string } }).operation?.op === 'acquire') asked++
      return run(script, key, args, onLate)
    }
    const node = await createNode({ config: PROBING, store, clock })
    await fail(node, 2)
    await settled()
    assert.equal(node.entry.breaker.shared.phase, 'open')
    clock.advance(1000)
    store.link = 'lossy'
    assert.equal((await node.registry.decide(node.entry)).kind, 'reject')
    store.link = 'up'
    await node.registry.flush()
    assert.equal((await node.registry.decide(node.entry)).kind, 'probe')
    assert.equal(asked, 2)
    await times(5, async () => assert.equal((await node.registry.decide(node.entry)).kind, 'reject'))
    assert.equal(asked, 3)
  })

  it('stays as it is at a message that is none, and decides on', async () => {
    const node = await createNode()
    const before = structuredClone(node.entry.breaker.shared)
    const whole = {
      generation: 9,
      elapsedMs: 0,
      remainingMs: 0,
      phase: 'open',
      totals: { failures: 0, slow: 0 },
    }
    for (const snapshot of [undefined, {}, whole, { ...whole, mode: { sequence: 0 }, phase: 'ajar' }])
      await node.store.publish('sluice:breaker', JSON.stringify(['service:s', snapshot]))
    await settled()
    assert.deepEqual(node.entry.breaker.shared, before)
    assert.equal((await node.request('success')).kind, 'pass')
  })

  it('counts again after the wall clock was set back', async () => {
    const node = await createNode({ config: { ...PROBING, recovery_ms: 0 } })
    await fail(node, 2)
    node.clock.advance(1000)
    await succeed(node, 1)
    await settled()
    // A generation has begun, and nothing from before it counts.
    assert.equal(node.phase(), 'closed')
    node.clock.step(-3_600_000)
    await node.registry.flush()
    await fail(node, 2)
    assert.equal(node.phase(), 'open')
  })
})

describe("an operator's order on one node", () => {
  const order = async (node: SimulatedNode, mode: Mode, remainingMs = 60_000) => {
    await orderMode(node.store, node.entry.breaker.key, { mode, remainingMs, actor: 'eddie', reason: 'test' })
    await settled()
  }

  it('decides and counts without rejecting when it is to observe', async () => {
    const node = await createNode({ config: { minimum_calls: 2 } })
    await order(node, 'metrics-only')
    await fail(node, 2)
    assert.equal(node.phase(), 'open')
    assert.equal(node.registry.isObserving(node.entry), true)
    assert.equal((await node.registry.decide(node.entry)).kind, 'reject')
  })

  it('neither counts nor rejects when it is disabled', async () => {
    const node = await createNode({ config: { minimum_calls: 2 } })
    await order(node, 'disabled')
    await fail(node, 20)
    assert.equal(node.phase(), 'closed')
    assert.equal(node.entry.breaker.window.calls, 0)
  })

  it('lets all pass while an open breaker is forced closed, and goes on where it was when the order ends', async () => {
    const node = await createNode({ config: { minimum_calls: 2, open_ms: 60_000 } })
    await fail(node, 2)
    await order(node, 'forced-closed', 10_000)
    assert.equal((await node.request('success')).kind, 'pass')
    node.clock.advance(10_000)
    assert.equal((await node.request('success')).kind, 'reject')
  })

  it('hears of an order while it is at rest, also when the store was gone meanwhile', async () => {
    const clock = createTestClock()
    const link = linkTo(new MemoryStore({ clock, metrics: createMetrics() }), 1)
    const node = await createNode({ store: link, clock })
    await node.request('success')
    clock.advance(60_000)
    await times(2, () => node.registry.flush())
    assert.equal(node.entry.isActive, false)
    link.link = 'down'
    link.link = 'up'
    await settled()
    await order(node, 'forced-open')
    assert.equal((await node.request('success')).kind, 'reject')
  })

  it('stands by the latest one', async () => {
    const node = await createNode()
    await order(node, 'forced-open')
    await order(node, 'auto', 0)
    assert.equal((await node.request('success')).kind, 'pass')
    assert.deepEqual(
      node.events.of('circuit.forced.v1').map(event => event.data.mode),
      ['forced-open', 'auto'],
    )
  })
})
