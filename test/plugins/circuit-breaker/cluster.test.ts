import assert from 'node:assert/strict'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { RedisStore } from '../../../plugin-server/stores/redis.ts'
import type { Config } from '../../../plugins/circuit-breaker/config.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'
import { until } from '../../support/until.ts'
import { holdTime } from './held-time-store.ts'
import { HURRIED, untilHeard } from './hurried-peers.ts'
import { createNode, type SimulatedNode } from './simulated-node.ts'

const NODES = 8

/** Waits for what comes over Redis's channel. */

describe('a breaker over eight nodes and a real Redis', () => {
  let service: Service
  let clock: TestClock
  let nodes: SimulatedNode[]
  let stores: ReturnType<typeof holdTime>[]
  let run = 0

  before(async function () {
    this.timeout(START_MS)
    service = await useRedis()
  })
  after(() => service?.close())

  async function addNode(name: string, config: Partial<Config>): Promise<SimulatedNode> {
    const parts = { clock, log: createLogger('silent'), metrics: createMetrics(), timers: HURRIED }
    const redis = new RedisStore({ urls: [service.url], deadlineMs: 1000, node: name, ...parts })
    assert.ok(await redis.ready(60_000))
    const store = holdTime(redis, clock)
    stores.push(store)
    return createNode({ clock, store, name, config, key: `service:${run}` })
  }

  async function start(config: Partial<Config>): Promise<void> {
    run += 1
    clock = createTestClock()
    stores = []
    nodes = []
    for (let i = 1; i <= NODES; i++) nodes.push(await addNode(`n${i}`, config))
    await untilHeard(stores, NODES)
  }
  afterEach(async () => {
    for (const node of nodes) await node.registry.close()
    for (const store of stores) await store.close()
  })

  const flushAll = async () => {
    for (const node of nodes) await node.registry.flush()
  }
  const phases = () => new Set(nodes.map(node => node.phase()))
  const allAre = (phase: string) => until(`all ${phase}`, () => nodes.every(node => node.phase() === phase))
  const opened = () => nodes.flatMap(node => node.events.of('circuit.opened.v1'))

  const CONFIG = {
    minimum_calls: 80,
    failure_rate: 50,
    open_ms: 5000,
    open_jitter: 0,
    half_open_permits: 3,
    probe_timeout_ms: 4000,
    recovery_ms: 2000,
  } as const

  /** Each node sees twelve failures in twenty calls: too few to open by itself, enough together. */
  async function breakUpstream(): Promise<void> {
    for (const node of nodes)
      for (let i = 0; i < 20; i++) await node.request(i % 5 < 3 ? 'failure' : 'success')
  }

  it('opens everywhere within one flush, though no node has seen enough by itself', async () => {
    await start(CONFIG)
    await breakUpstream()
    assert.deepEqual(phases(), new Set(['closed']))
    await flushAll()
    await allAre('open')
    assert.equal(opened().length, 1, 'one event for the whole cluster')
    const { data } = opened()[0]!
    assert.deepEqual([data.reach, data.cause], ['cluster', 'failure-rate'])
    assert.ok((data.calls as number) >= 80 && (data.witnesses as number) >= 3)
    for (const node of nodes) assert.equal((await node.request('success')).kind, 'reject')
  })

  it('lets the permitted number of probes through in all, then a ramp, then everything', async () => {
    await start(CONFIG)
    await breakUpstream()
    await flushAll()
    await allAre('open')
    clock.advance(5000)
    const decisions = await Promise.all(
      nodes.flatMap(node => Array.from({ length: 20 }, () => node.registry.decide(node.entry))),
    )
    // Each node asks for one permit at a time, so it takes rounds until all are out.
    for (let round = 0; round < 5; round++)
      for (const node of nodes) decisions.push(await node.registry.decide(node.entry))
    const probes = decisions.filter(decision => decision.kind === 'probe')
    assert.equal(probes.length, 3)
    assert.equal(decisions.filter(decision => decision.kind === 'pass').length, 0)
    for (const probe of probes) nodes[0]!.finish(probe, 'success')
    await allAre('recovering')
    clock.advance(2000)
    await flushAll()
    await allAre('closed')
    const types = nodes.flatMap(node => node.events.drafts.map(draft => draft.type))
    assert.deepEqual(types.sort(), [
      'circuit.closed.v1',
      'circuit.half-opened.v1',
      'circuit.opened.v1',
      'circuit.recovering.v1',
    ])
  })

  it('is not wedged by a prober that is killed', async () => {
    await start({ ...CONFIG, half_open_permits: 1 })
    await breakUpstream()
    await flushAll()
    await allAre('open')
    clock.advance(5000)
    const killed = nodes.shift()!
    assert.equal((await killed.registry.decide(killed.entry)).kind, 'probe')
    await stores.shift()!.close()
    assert.equal((await nodes[0]!.request('success')).kind, 'reject')
    clock.advance(4000)
    await flushAll()
    await allAre('half-open')
    assert.equal((await nodes[3]!.request('success')).kind, 'probe')
    await allAre('recovering')
    assert.equal(nodes.flatMap(node => node.events.of('circuit.probe-lost.v1')).length, 1)
  })

  it('stays closed for seven nodes when one of eight cannot reach the upstream', async () => {
    await start({ ...CONFIG, minimum_calls: 20, failure_rate: 10 })
    const [bad, ...good] = nodes
    for (let second = 0; second < 20; second++) {
      for (const node of good) for (let i = 0; i < 20; i++) await node.request('success')
      for (let i = 0; i < 20; i++) await bad!.request('unreachable')
      clock.advance(1000)
      await flushAll()
      for (const node of good) assert.equal(node.phase(), 'closed')
    }
    assert.notEqual(bad!.phase(), 'closed')
    assert.ok(opened().every(event => event.data.reach === 'node'))
    assert.ok(nodes.every(node => node.entry.breaker.shared.generation === 0))
  })

  it('makes no call to Redis for a request while closed', async () => {
    await start(CONFIG)
    await flushAll()
    const [node] = nodes
    const [store] = stores
    const before = store!.calls
    for (let i = 0; i < 10_000; i++) {
      const decision = node!.registry.decide(node!.entry)
      assert.ok(!(decision instanceof Promise))
      node!.finish(decision, i % 4 === 0 ? 'failure' : 'success')
    }
    assert.equal(store!.calls - before, 0)
    await node!.registry.flush()
    assert.equal(store!.calls - before, 1)
  })

  it('is open for a node that starts while it is open', async () => {
    await start(CONFIG)
    await breakUpstream()
    await flushAll()
    await allAre('open')
    const late = await addNode('late', CONFIG)
    nodes.push(late)
    const decision = await late.request('success')
    assert.equal(decision.kind === 'reject' && decision.retryAfterMs, 5000)
  })

  it('goes on alone while Redis is away, never closes for that, and agrees when it is back', async function () {
    this.timeout(60_000)
    await start({ ...CONFIG, recovery_ms: 60_000 })
    await breakUpstream()
    await flushAll()
    await allAre('open')
    await service.kill()
    await until('all have noticed', () => stores.every(store => !store.available))
    await flushAll()
    for (const node of nodes) assert.equal((await node.request('success')).kind, 'reject')
    // Each node probes for itself: one each, since there are fewer permits than nodes.
    clock.advance(5000)
    for (const node of nodes.slice(1)) {
      assert.equal((await node.request('failure')).kind, 'probe')
      assert.equal((await node.request('failure')).kind, 'reject')
    }
    assert.equal((await nodes[0]!.request('success')).kind, 'probe')
    assert.deepEqual(
      nodes.map(node => node.phase()),
      ['recovering', ...Array(NODES - 1).fill('open')],
    )
    // Redis comes back empty. All have the same generation, so the strictest view stands.
    await service.restart()
    await until('all are back', () => stores.every(store => store.available))
    await flushAll()
    clock.advance(1000)
    await flushAll()
    await allAre('open')
    assert.equal(new Set(nodes.map(node => node.entry.breaker.shared.generation)).size, 1)
    assert.ok(nodes[0]!.entry.breaker.shared.generation >= 3)
  })
})
