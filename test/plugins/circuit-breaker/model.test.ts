import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { ProbeKind } from '../../../plugins/circuit-breaker/breaker.ts'
import type { Outcome } from '../../../plugins/circuit-breaker/classify.ts'
import type { Decision } from '../../../plugins/circuit-breaker/registry.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'
import { type FaultyStore, type Link, linkTo } from './faulty-store.ts'
import { createNode, type SimulatedNode, settled } from './simulated-node.ts'

const PERMITS = 4
const NODES = 3
const CONFIG = {
  minimum_calls: 3,
  failure_rate: 50,
  connection_failures: 3,
  slow_call_ms: 1,
  open_ms: 1000,
  max_open_ms: 8000,
  half_open_permits: PERMITS,
  probe_timeout_ms: 3000,
  recovery_ms: 2000,
  quorum_nodes: 2,
} as const

interface Request {
  readonly at: number
  readonly decision: Decision
  readonly startedAtMs: number
}

interface Probe {
  readonly layer: string
  readonly generation: number
  /** Who gave the permit: the store for all, or one process of a node by itself. */
  readonly giver: string
  /** How many permits of the kind the giver has. */
  readonly permits: number
  readonly kind: ProbeKind
  readonly givenAtMs: number
}

/** What the world knows, beside what the breakers say. */
interface World {
  readonly clock: TestClock
  shared: MemoryStore
  readonly links: FaultyStore[]
  readonly nodes: SimulatedNode[]
  readonly underWay: Request[]
  readonly probes: Map<string, Probe>
  /** Probes by layer and generation that were delivered with each result. */
  readonly results: (Probe & { readonly outcome: Outcome })[]
  /** How often each node was started. */
  readonly starts: number[]
  dataLosses: number
  /** Generations in which a permit for a stream may have been given without anybody hearing of it. */
  readonly unheardStreams: Set<number>
  readonly random: () => number
  checked: number[]
}

const readMark = (decision: Decision) => {
  if (decision.kind !== 'probe') return undefined
  const [, layer = '', generation, token = ''] = decision.mark.split(' ')
  return { layer, generation: Number(generation), token }
}

function deliver(world: World, request: Request, outcome: Outcome, slow: boolean): void {
  const { at, decision, startedAtMs } = request
  const mark = readMark(decision)
  const probe = mark && world.probes.get(mark.token)
  if (probe) world.results.push({ ...probe, outcome: slow && outcome === 'success' ? 'failure' : outcome })
  world.nodes[at]!.finish(decision, outcome, { slow, startedAtMs })
}

class Begin implements fc.AsyncCommand<object, World> {
  readonly at: number
  readonly count: number
  readonly kind: ProbeKind
  constructor(at: number, count: number, kind: ProbeKind = 'request') {
    this.at = at
    this.count = count
    this.kind = kind
  }
  check = () => true
  async run(_: object, world: World) {
    const node = world.nodes[this.at]!
    for (let i = 0; i < this.count; i++) {
      const { alone, processes } = node.entry.breaker
      const isUnheard = this.kind === 'stream' && world.links[this.at]!.link === 'lossy'
      if (isUnheard)
        for (const next of [0, 1]) world.unheardStreams.add(node.entry.breaker.shared.generation + next)
      const decision = await node.registry.decide(node.entry, () => this.kind)
      if (decision.kind === 'reject') {
        assert.ok(decision.retryAfterMs >= 0 && decision.retryAfterMs <= 8000 * 1.2)
        continue
      }
      const mark = readMark(decision)
      if (mark) {
        assert.ok(!world.probes.has(mark.token), 'a permit is given once')
        const byItself = alone || mark.layer === 'own'
        const giver = byItself ? `process ${world.starts[this.at]} of node ${this.at}` : 'store'
        const share = Math.max(1, Math.floor(PERMITS / processes))
        const permits = giver === 'store' || mark.layer === 'own' ? PERMITS : share
        const givenAtMs = world.clock.monotonic()
        world.probes.set(mark.token, { ...mark, giver, permits, kind: this.kind, givenAtMs })
      }
      world.underWay.push({ at: this.at, decision, startedAtMs: world.clock.now() })
    }
    await verify(world)
  }
  toString = () => `begin ${this.count} ${this.kind}s at ${this.at}`
}

class Finish implements fc.AsyncCommand<object, World> {
  readonly which: number
  readonly outcome: Outcome
  readonly slow: boolean
  readonly how: 'once' | 'twice' | 'never'
  constructor(which: number, outcome: Outcome, slow: boolean, how: 'once' | 'twice' | 'never') {
    this.which = which
    this.outcome = outcome
    this.slow = slow
    this.how = how
  }
  check = () => true
  async run(_: object, world: World) {
    const [request] = world.underWay.splice(this.which % Math.max(1, world.underWay.length), 1)
    if (request === undefined) return
    if (this.how !== 'never') deliver(world, request, this.outcome, this.slow)
    // Kong can deliver a log event again.
    if (this.how === 'twice') world.nodes[request.at]!.finish(request.decision, 'success', request)
    await verify(world)
  }
  toString = () => `finish ${this.which} ${this.outcome}${this.slow ? ' slowly' : ''} ${this.how}`
}

class Act implements fc.AsyncCommand<object, World> {
  readonly name: string
  readonly act: (world: World) => unknown
  constructor(name: string, act: (world: World) => unknown) {
    this.name = name
    this.act = act
  }
  check = () => true
  async run(_: object, world: World) {
    await this.act(world)
    await verify(world)
  }
  toString = () => this.name
}

async function addNode(world: World, at: number): Promise<void> {
  world.nodes[at] = await createNode({
    clock: world.clock,
    store: world.links[at]!,
    name: `n${at}`,
    config: CONFIG,
    random: world.random,
  })
  world.checked[at] = 0
  world.starts[at] = (world.starts[at] ?? 0) + 1
}

/** What must hold after every step. */
async function verify(world: World): Promise<void> {
  await settled()
  const nameOf = ({ layer, generation, giver, kind }: Probe) =>
    `${layer} generation ${generation} by ${giver}, ${kind}s`
  const times = new Map<string, number[]>()
  for (const probe of world.probes.values())
    times.set(nameOf(probe), [...(times.get(nameOf(probe)) ?? []), probe.givenAtMs])
  for (const probe of world.probes.values()) {
    const name = nameOf(probe)
    const returned = world.results.filter(r => r.outcome === 'none' && nameOf(r) === name).length
    // A permit goes to another when its time is over, and the store forgets its permits with its data.
    const given = times.get(name) ?? []
    const rounds = 1 + Math.floor((Math.max(...given) - Math.min(...given)) / CONFIG.probe_timeout_ms)
    const bound = probe.permits * (probe.giver === 'store' ? rounds + world.dataLosses : rounds) + returned
    assert.ok(given.length <= bound, `${given.length} probes in ${name}, ${bound} permitted`)
  }
  for (const [at, node] of world.nodes.entries()) {
    for (const event of node.events.drafts.slice(world.checked[at])) {
      if (event.type !== 'circuit.recovering.v1') continue
      const half = (event.data.generation as number) - 1
      const succeeded = world.results.some(r => r.generation === half && r.outcome === 'success')
      assert.ok(
        succeeded || world.unheardStreams.has(half) || hasEstablished(world, half),
        `recovers in generation ${half} without a success of that generation`,
      )
    }
    world.checked[at] = node.events.drafts.length
  }
}

/** Whether a stream has been silent for so long that it must be open. */
const hasEstablished = (world: World, generation: number): boolean =>
  [...world.probes.values()].some(
    probe =>
      probe.kind === 'stream' &&
      probe.generation === generation &&
      world.clock.monotonic() - probe.givenAtMs >= CONFIG.probe_timeout_ms,
  )

/** From wherever it is, the world heals, and all requests pass again; also when all are streams that never end. */
async function heal(world: World, kind: ProbeKind): Promise<void> {
  for (const link of world.links) link.link = 'up'
  for (let round = 0; round < 200; round++) {
    world.clock.advance(500)
    let passed = 0
    for (const node of world.nodes) {
      await node.registry.flush()
      for (let i = 0; i < 5; i++) {
        const options = { kind, lost: kind === 'stream' }
        if ((await node.request('success', options)).kind === 'pass') passed += 1
      }
      await settled()
    }
    if (passed === 5 * NODES && world.nodes.every(node => node.phase() === 'closed')) return
  }
  assert.fail(`wedged: ${world.nodes.map(node => JSON.stringify(node.entry.breaker.shared)).join(' ')}`)
}

const at = fc.nat(NODES - 1)
const begins = (kind: ProbeKind) =>
  fc.tuple(at, fc.integer({ min: 1, max: 8 })).map(([n, count]) => new Begin(n, count, kind))
const commands = fc.commands(
  [
    begins('request'),
    begins('request'),
    begins('stream'),
    ...Array.from({ length: 4 }, () =>
      fc
        .tuple(
          fc.nat(20),
          fc.constantFrom<Outcome>('success', 'success', 'failure', 'unreachable', 'none'),
          fc.boolean(),
          fc.constantFrom(
            'once' as const,
            'once' as const,
            'once' as const,
            'twice' as const,
            'never' as const,
          ),
        )
        .map(([which, outcome, slow, how]) => new Finish(which, outcome, slow && which > 15, how)),
    ),
    fc.constantFrom<Outcome>('success', 'failure').map(
      outcome =>
        new Act(`all end in ${outcome}`, world => {
          for (const request of world.underWay.splice(0)) deliver(world, request, outcome, false)
        }),
    ),
    fc
      .oneof(fc.nat(300), fc.nat(3000), fc.nat(20_000))
      .map(ms => new Act(`${ms} ms pass`, world => world.clock.advance(ms))),
    at.map(n => new Act(`${n} flushes`, world => world.nodes[n]!.registry.flush())),
    fc.constant(
      new Act('all flush', async world => {
        for (const node of world.nodes) await node.registry.flush()
      }),
    ),
    // Longer ways, which single steps would seldom find.
    fc.constant(
      new Act('the upstream breaks', async world => {
        for (const node of world.nodes) {
          for (let i = 0; i < 6; i++) await node.request('failure')
          await node.registry.flush()
        }
      }),
    ),
    at.map(
      n =>
        new Act(`${n} probes late`, async world => {
          world.clock.advance(10_000)
          await new Begin(n, 3).run({}, world)
        }),
    ),
    fc.tuple(at, fc.constantFrom<Link>('up', 'up', 'down', 'lossy')).map(
      ([n, link]) =>
        new Act(`link of ${n} ${link}`, world => {
          world.links[n]!.link = link
        }),
    ),
    fc.constant(
      new Act('all links down', world => {
        for (const link of world.links) link.link = 'down'
      }),
    ),
    at.map(n => new Act(`${n} restarts`, world => addNode(world, n))),
    fc.constant(
      new Act('the store loses its data', async world => {
        world.dataLosses += 1
        await forget(world.shared)
      }),
    ),
    fc
      .integer({ min: -100_000, max: 100_000 })
      .map(ms => new Act(`the wall clock steps by ${ms} ms`, world => world.clock.step(ms))),
  ],
  { maxCommands: 120, size: 'max' },
)

/** The same numbers in each run, so that a failing sequence can be shrunk. */
function createRandom(): () => number {
  let state = 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** Drops every key, and keeps the watchers. */
async function forget(store: MemoryStore): Promise<void> {
  for await (const key of store.keys(''))
    store.run(
      { name: 'forget', lua: '', apply: () => ({ result: 0, expireInMs: 0 }), decode: () => 0 },
      key,
      [],
    )
}

describe('breakers that share a store, whatever happens', () => {
  it('keep to their permits, never recover on a stale success, and are never wedged', async function () {
    this.timeout(120_000)
    const reached = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(commands, fc.constantFrom<ProbeKind>('request', 'stream'), async (sequence, kind) => {
        const clock = createTestClock()
        const shared = new MemoryStore({ clock, metrics: createMetrics() })
        const world: World = {
          clock,
          shared,
          links: Array.from({ length: NODES }, () => linkTo(shared, NODES)),
          nodes: [],
          underWay: [],
          probes: new Map(),
          results: [],
          dataLosses: 0,
          unheardStreams: new Set(),
          checked: [],
          starts: [],
          random: createRandom(),
        }
        for (let n = 0; n < NODES; n++) await addNode(world, n)
        await fc.asyncModelRun(() => ({ model: {}, real: world }), sequence)
        await heal(world, kind)
        for (const node of world.nodes)
          for (const { type, data } of node.events.drafts) {
            const what = `${type} ${data.reach}`
            reached.set(what, (reached.get(what) ?? 0) + 1)
          }
      }),
      { numRuns: 120 },
    )
    // The sequences are of use only if they go everywhere, in the cluster and on single nodes.
    for (const type of ['opened', 'half-opened', 'recovering', 'closed', 'probe-lost'])
      for (const reach of ['cluster', 'node'])
        assert.ok((reached.get(`circuit.${type}.v1 ${reach}`) ?? 0) > 0, `${type} ${reach} was not reached`)
  })
})
