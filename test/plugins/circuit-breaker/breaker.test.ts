import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  acquire,
  advance,
  type BreakerState,
  closedState,
  LATE_KEPT,
  type Moment,
  outranks,
  type ProbeKind,
  rampShare,
  report,
  type Step,
  settle,
} from '../../../plugins/circuit-breaker/breaker.ts'
import { ownCause, quorumOf, type Report } from '../../../plugins/circuit-breaker/evidence.ts'
import type { Phase, Policy } from '../../../plugins/circuit-breaker/policy.ts'

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

type Act = (state: BreakerState, now: Moment) => Step
const at = (nowMs: number, draw = 0): Moment => ({ nowMs, draw })
const kinds = fc.constantFrom<ProbeKind>('request', 'stream')
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
      return (state, now) => {
        const seen = { generation: state.generation, calls, failures, slow: 0, connectionFailures }
        return report(state, WALK, { node, seen, peers }, now)
      }
    }),
  fc.tuple(token, kinds).map(
    ([name, kind]): Act =>
      (state, now) =>
        acquire(state, WALK, { token: name, kind }, now),
  ),
  fc
    .tuple(
      token,
      fc.constantFrom('success' as const, 'success' as const, 'failure' as const, 'none' as const),
    )
    .map(
      ([name, result]): Act =>
        (state, now) =>
          settle(state, WALK, { token: name, generation: state.generation, result }, now),
    ),
  fc.constant((state: BreakerState, now: Moment) => advance(state, WALK, now)),
)

const walks = fc.array(
  fc.record({
    act: acts,
    waitMs: fc.oneof({ weight: 5, arbitrary: fc.nat(100) }, { weight: 1, arbitrary: fc.nat(6000) }),
    draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  { maxLength: 100, size: 'max' },
)

const OPEN: BreakerState = { ...closedState(1), phase: 'open', untilMs: 0 }

interface How {
  readonly kind?: ProbeKind
  readonly permits?: number
  readonly nowMs?: number
}

const ask = (state: BreakerState, name: string, { kind = 'request', permits = 3, nowMs = 0 }: How = {}) =>
  acquire(state, { ...POLICY, permits }, { token: name, kind }, at(nowMs))

const answer = (
  state: BreakerState,
  name: string,
  result: 'success' | 'failure',
  { begun = state, permits = 3, nowMs = 0 }: How & { readonly begun?: BreakerState } = {},
): BreakerState =>
  settle(state, { ...POLICY, permits }, { token: name, generation: begun.generation, result }, at(nowMs))
    .state

const tell = (state: BreakerState, node: string, seen: Report, peers: number, nowMs = 0): Step =>
  report(state, POLICY, { node, seen, peers }, at(nowMs))

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
          const step = act(state, { nowMs, draw })
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
          assert.ok(state.leases.size <= WALK.permits && state.streams.size <= WALK.permits)
          assert.ok(state.succeeded + state.failed < WALK.permits)
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
        const { state: next } = settle(
          state,
          POLICY,
          { token: 'a', generation: 7, result: 'failure' },
          at(0, draw),
        )
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
        for (const name of ['a', 'b', 'c']) state = ask(state, name).state
        const { generation } = state
        results.forEach((good, i) => {
          assert.notEqual(state.phase, 'recovering')
          const result = good ? 'success' : 'failure'
          state = settle(state, POLICY, { token: 'abc'.charAt(i), generation, result }, at(0)).state
        })
        assert.equal(state.phase, results.filter(good => !good).length >= 1.5 ? 'open' : 'recovering')
      }),
    )
  })

  it('ignores results of another generation and of unknown probes', () => {
    const { state } = ask(OPEN, 'a')
    assert.deepEqual(
      answer({ ...state, generation: state.generation + 1 }, 'a', 'success', { begun: state }),
      {
        ...state,
        generation: state.generation + 1,
      },
    )
    assert.deepEqual(answer(state, 'z', 'success'), state)
  })

  it('gives the permit of a silent request to another, and counts its late result once', () => {
    let { state } = ask(OPEN, 'a', { permits: 2 })
    ;({ state } = ask(state, 'b', { permits: 2 }))
    assert.equal(ask(state, 'c', { permits: 2 }).granted, false)
    const step = advance(state, { ...POLICY, permits: 2 }, at(POLICY.probeMs))
    assert.deepEqual(step.transitions, ['probe-lost', 'probe-lost'])
    assert.equal(step.state.phase, 'half-open')
    state = step.state
    assert.equal(ask(state, 'c', { permits: 2, nowMs: POLICY.probeMs }).granted, true)
    for (let i = 0; i < 2; i++) state = answer(state, 'a', 'success', { permits: 2, nowMs: 9_000_000 })
    assert.deepEqual([state.phase, state.succeeded], ['half-open', 1], 'a log event came twice')
    state = answer(state, 'b', 'success', { permits: 2, nowMs: 9_000_000 })
    assert.equal(state.phase, 'recovering')
  })

  it('opens on late failures', () => {
    let { state } = ask(OPEN, 'a', { permits: 1 })
    state = advance(state, POLICY, at(POLICY.probeMs)).state
    assert.equal(answer(state, 'a', 'failure', { permits: 1, nowMs: 5_000_000 }).phase, 'open')
  })

  it('takes a stream that has not been refused for a success, and gives streams permits of their own', () => {
    let { state } = ask(OPEN, 'a', { permits: 1 })
    assert.equal(ask(state, 'b', { permits: 1 }).granted, false)
    const stream = ask(state, 's', { permits: 1, kind: 'stream' })
    assert.equal(stream.granted, true)
    assert.equal(ask(stream.state, 't', { permits: 1, kind: 'stream' }).granted, false)
    state = advance(stream.state, { ...POLICY, permits: 1 }, at(POLICY.probeMs)).state
    assert.equal(state.phase, 'recovering')
  })

  it('opens when a stream is refused, also at the end of its permit', () => {
    const { state } = ask(OPEN, 's', { permits: 1, kind: 'stream' })
    assert.equal(answer(state, 's', 'failure', { permits: 1, nowMs: POLICY.probeMs }).phase, 'open')
  })

  it('remembers a bounded number of late probes, the newest', () => {
    let state = ask(OPEN, 'first').state
    for (let i = 1; i <= LATE_KEPT + 10; i++) state = ask(state, `p${i}`, { nowMs: i * POLICY.probeMs }).state
    assert.equal(state.late.size, LATE_KEPT)
    assert.equal(state.late.has('first'), false)
    assert.equal(state.late.has(`p${LATE_KEPT + 9}`), true)
  })

  it('opens at its rates, not only beyond them', () => {
    const seen = { generation: 0, calls: 10, failures: 0, slow: 0, connectionFailures: 0 }
    for (const [part, cause] of [
      [{ failures: 5 }, 'failure-rate'],
      [{ failures: 4 }, undefined],
      [{ slow: 8 }, 'slow-call-rate'],
      [{ slow: 7 }, undefined],
      [{ connectionFailures: 5 }, 'connection-failures'],
      [{ connectionFailures: 4 }, undefined],
    ] as const)
      assert.equal(ownCause('closed', { ...seen, ...part }, POLICY), cause, JSON.stringify(part))
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
    for (const process of 'abcdefgh') state = tell(state, `n1/${process}`, seen, 2).state
    assert.equal(state.phase, 'closed')
    assert.equal(tell(state, 'n2/a', seen, 2).state.phase, 'open')
  })

  it('does not hear reports of an earlier generation, nor of nodes that are gone', () => {
    const bad = { generation: 0, calls: 100, failures: 100, slow: 0, connectionFailures: 0 }
    const stale = tell(closedState(4), 'n1', bad, 1)
    assert.equal(stale.state.phase, 'closed')
    const first = tell(closedState(), 'n1', bad, 3)
    assert.equal(tell(first.state, 'n2', bad, 3, POLICY.liveMs + 1).state.phase, 'closed')
    assert.equal(tell(first.state, 'n2', bad, 3, POLICY.liveMs).state.phase, 'open')
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
