import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  acquire,
  advance,
  type BreakerState,
  closedState,
  outranks,
  type Phase,
  type Policy,
  quorumOf,
  rampShare,
  report,
  type Step,
  settle,
} from '../../../plugins/circuit-breaker/breaker.ts'

const POLICY: Policy = {
  failureRate: 0.5,
  slowCallRate: 0.8,
  minimumCalls: 10,
  connectionFailures: 5,
  quorumNodes: 3,
  openMs: 1000,
  maxOpenMs: 30_000,
  openJitter: 0.2,
  permits: 3,
  probeMs: 2000,
  recoveryMs: 5000,
  liveMs: 2000,
}

const EDGES: Readonly<Record<Phase, readonly Phase[]>> = {
  closed: ['open'],
  open: ['half-open'],
  'half-open': ['open', 'recovering'],
  recovering: ['open', 'closed'],
}

/** Short ways, so that walks at random come round. */
const WALK: Policy = { ...POLICY, permits: 2, openMs: 100, maxOpenMs: 400 }

type Act = (state: BreakerState, nowMs: number, draw: number) => Step
const token = fc.constantFrom('a', 'b')
const acts: fc.Arbitrary<Act> = fc.oneof(
  fc
    .record({
      calls: fc.nat(30),
      share: fc.constantFrom(0, 0.4, 0.5, 1),
      connectionFailures: fc.nat(6),
      node: fc.constantFrom('n1/a', 'n1/b', 'n2/a', 'n3/a'),
      peers: fc.constantFrom(1, 2, 5),
    })
    .map(({ calls, share, connectionFailures, node, peers }): Act => {
      const failures = Math.round(calls * share)
      return (state, nowMs, draw) => {
        const seen = { generation: state.generation, calls, failures, slow: 0, connectionFailures }
        return report(state, WALK, node, seen, peers, nowMs, draw)
      }
    }),
  token.map(
    (name): Act =>
      (state, nowMs, draw) =>
        acquire(state, WALK, name, nowMs, draw),
  ),
  fc
    .tuple(
      token,
      fc.constantFrom('success' as const, 'success' as const, 'failure' as const, 'none' as const),
    )
    .map(
      ([name, result]): Act =>
        (state, nowMs, draw) =>
          settle(state, WALK, name, state.generation, result, nowMs, draw),
    ),
  fc.constant((state: BreakerState, nowMs: number, draw: number) => advance(state, WALK, nowMs, draw)),
)

const walks = fc.array(
  fc.record({
    act: acts,
    waitMs: fc.oneof({ weight: 5, arbitrary: fc.nat(100) }, { weight: 1, arbitrary: fc.nat(6000) }),
    draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  { maxLength: 100, size: 'max' },
)

describe('the state machine', () => {
  it('goes only along its edges, with a new generation for each', () => {
    const taken = new Set<string>()
    fc.assert(
      fc.property(walks, walk => {
        let state = closedState()
        let nowMs = 0
        for (const { act, waitMs, draw } of walk) {
          nowMs += waitMs
          const before = state
          const step = act(state, nowMs, draw)
          state = step.state
          const phases = step.transitions.filter(t => t !== 'probe-lost').map(t => PHASE_OF[t]!)
          let from = before.phase
          for (const to of phases) {
            assert.ok(EDGES[from].includes(to), `${from} → ${to}`)
            taken.add(`${from} → ${to}`)
            from = to
          }
          assert.equal(state.phase, from)
          assert.equal(state.generation, before.generation + phases.length)
          assert.ok(state.leases.size + state.succeeded + state.failed <= WALK.permits)
        }
      }),
      { numRuns: 400 },
    )
    assert.equal(taken.size, Object.values(EDGES).flat().length, [...taken].join(', '))
  })

  it('stays open for base · 2^attempt, up to the cap, stretched by the jitter', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, draw) => {
        const state: BreakerState = {
          ...closedState(7),
          phase: 'half-open',
          attempt,
          leases: new Map([['a', 99]]),
          failed: 1,
        }
        const { state: next } = settle(state, POLICY, 'a', 7, 'failure', 0, draw)
        const base = Math.min(30_000, 1000 * 2 ** (attempt + 1))
        assert.equal(next.phase, 'open')
        assert.equal(next.untilMs, Math.floor(base * (1 + 0.2 * draw)))
      }),
    )
  })

  it('recovers only when every permit has a result and the failed ones are below the rate', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), results => {
        let state: BreakerState = { ...closedState(1), phase: 'open', untilMs: 0 }
        for (const name of ['a', 'b', 'c']) state = acquire(state, POLICY, name, 0, 0).state
        const { generation } = state
        results.forEach((good, i) => {
          assert.notEqual(state.phase, 'recovering')
          state = settle(state, POLICY, 'abc'[i]!, generation, good ? 'success' : 'failure', 0, 0).state
        })
        assert.equal(state.phase, results.filter(good => !good).length >= 1.5 ? 'open' : 'recovering')
      }),
    )
  })

  it('ignores results of another generation and of unknown probes', () => {
    const open: BreakerState = { ...closedState(1), phase: 'open', untilMs: 0 }
    const { state } = acquire(open, POLICY, 'a', 0, 0)
    assert.deepEqual(settle(state, POLICY, 'a', state.generation - 1, 'success', 0, 0).state, state)
    assert.deepEqual(settle(state, POLICY, 'z', state.generation, 'success', 0, 0).state, state)
  })

  it('asks a majority of the nodes that live, up to the quorum', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 8, 100].map(nodes => quorumOf(nodes, POLICY)),
      [1, 2, 2, 3, 3, 3, 3],
    )
  })

  it('gives the processes of one node one voice', () => {
    const seen = { generation: 0, calls: 100, failures: 100, slow: 0, connectionFailures: 100 }
    let state = closedState()
    for (const process of 'abcdefgh') state = report(state, POLICY, `n1/${process}`, seen, 2, 0, 0).state
    assert.equal(state.phase, 'closed')
    assert.equal(report(state, POLICY, 'n2/a', seen, 2, 0, 0).state.phase, 'open')
  })

  it('does not hear reports of an earlier generation, nor of nodes that are gone', () => {
    const bad = { generation: 0, calls: 100, failures: 100, slow: 0, connectionFailures: 0 }
    const stale = report({ ...closedState(4) }, POLICY, 'n1', bad, 1, 0, 0)
    assert.equal(stale.state.phase, 'closed')
    const first = report(closedState(), POLICY, 'n1', bad, 3, 0, 0)
    assert.equal(report(first.state, POLICY, 'n2', bad, 3, POLICY.liveMs + 1, 0).state.phase, 'closed')
    assert.equal(report(first.state, POLICY, 'n2', bad, 3, POLICY.liveMs, 0).state.phase, 'open')
  })

  it('admits a tenth at the beginning of the ramp, and all at its end', () => {
    const state: BreakerState = { ...closedState(), phase: 'recovering', untilMs: 5000 }
    assert.deepEqual(
      [0, 2500, 5000, 9000].map(nowMs => Math.round(rampShare(state, POLICY, nowMs) * 100)),
      [10, 55, 100, 100],
    )
  })

  it('ranks views of one breaker in a strict order', () => {
    const views = fc.record({
      phase: fc.constantFrom<Phase>('closed', 'open', 'half-open', 'recovering'),
      generation: fc.nat(3),
    })
    fc.assert(
      fc.property(views, views, views, (a, b, c) => {
        assert.ok(!(outranks(a, b) && outranks(b, a)))
        if (outranks(a, b) && outranks(b, c)) assert.ok(outranks(a, c))
        if (!outranks(a, b) && !outranks(b, a)) assert.deepEqual({ ...a }, { ...b })
      }),
    )
  })
})

const PHASE_OF: Readonly<Record<string, Phase>> = {
  opened: 'open',
  'half-opened': 'half-open',
  recovering: 'recovering',
  closed: 'closed',
}
