/**
 * The state machine of a circuit breaker: pure, synchronous, without a clock of its own.
 *
 * ```
 *              rate over the threshold                    open time over,
 *              at enough nodes                            a request asks to probe
 *   CLOSED ─────────────────────────────▶ OPEN ──────────────────────────────▶ HALF_OPEN
 *     ▲                                   ▲  ▲      probes failed                  │
 *     │ ramp over                         │  └─────────────────────────────────────┤
 *     │                     rate over it  │                                        │ probes succeeded
 *     └──────────────────────────── RECOVERING ◀───────────────────────────────────┘
 * ```
 *
 * Every change of phase begins a new generation, and evidence counts only in the generation in which it was
 * gathered. The same machine runs in three places: as a script in Redis for the whole cluster (`breaker.lua` is this
 * file in Lua), in memory where there is no Redis, and on each node for what that node alone has seen.
 */

import { type DatedReport, judgeReports, type Report, type Totals } from './evidence.ts'
import type { Cause, Phase, Policy } from './policy.ts'

/** What happened in a step, in the order in which it happened. */
export type Transition = 'opened' | 'half-opened' | 'recovering' | 'closed' | 'probe-lost'

/** Times are milliseconds of whatever clock the caller uses throughout. */
export interface BreakerState {
  readonly phase: Phase
  readonly generation: number
  /** Times that it opened since it was last closed, less one. */
  readonly attempt: number
  readonly sinceMs: number
  /** Open: when it may be probed. Recovering: when the ramp is over. Else 0. */
  readonly untilMs: number
  readonly cause: Cause | undefined
  /** Probes under way, by token, and when each has to give its permit back. */
  readonly leases: ReadonlyMap<string, number>
  /** The same for probes that asked for a stream; they hold permits of their own. */
  readonly streams: ReadonlyMap<string, number>
  /** Probes that gave their permits back without a result, by token, and when. A late result still counts. */
  readonly late: ReadonlyMap<string, number>
  readonly succeeded: number
  readonly failed: number
  /** The latest report of each process, by `<node>/<process>`. */
  readonly reports: ReadonlyMap<string, DatedReport>
}

export interface Step {
  readonly state: BreakerState
  readonly transitions: readonly Transition[]
  /** What the nodes had reported when it opened for that. */
  readonly totals?: Totals
}

/** When a step happens. */
export interface Moment {
  readonly nowMs: number
  /** Uniform in [0, 1): stretches the open time, should the breaker open. */
  readonly draw: number
}

export interface ProbeRequest {
  readonly token: string
  readonly kind: ProbeKind
}

export interface SettledProbe {
  readonly token: string
  /** The one in which the probe began. */
  readonly generation: number
  readonly result: ProbeResult
}

/** What one process says of its window. */
export interface NodeReport {
  /** `<node>/<process>` */
  readonly node: string
  readonly seen: Report
  /** Nodes that live, with traffic or without: a majority of them is asked for, up to the quorum. */
  readonly peers: number
}

export type ProbeResult = 'success' | 'failure' | 'none'

/** `stream`: a WebSocket or a server-sent stream, whose log event comes when it ends, hours later perhaps. */
export type ProbeKind = 'request' | 'stream'

/** Late probes that are remembered; beyond that the oldest are forgotten, and their results with them. */
export const LATE_KEPT = 64

const NO_LEASES: BreakerState['leases'] = new Map()
const NO_REPORTS: BreakerState['reports'] = new Map()
const UNCHANGED: readonly Transition[] = []
/** Keeps 2^attempt finite. */
const LAST_ATTEMPT = 30

export const closedState = (generation = 0, nowMs = 0): BreakerState => ({
  phase: 'closed',
  generation,
  attempt: 0,
  sinceMs: nowMs,
  untilMs: 0,
  cause: undefined,
  leases: NO_LEASES,
  streams: NO_LEASES,
  late: NO_LEASES,
  succeeded: 0,
  failed: 0,
  reports: NO_REPORTS,
})

/**
 * Lets time pass. A ramp that is over closes; an open breaker stays open until somebody asks to probe. In a half-open
 * one, probes whose time is over give their permits back:
 *
 * - A request may still be served (a long download), its upstream may hang, or Kong has lost its log event. Nobody
 *   knows which, so it counts for nothing, and its result counts when it comes.
 * - A stream that was refused would have been logged at once. It is open, so its upstream is well.
 */
export function advance(state: BreakerState, policy: Policy, now: Moment): Step {
  const { nowMs } = now
  if (state.phase === 'recovering' && nowMs >= state.untilMs)
    return { state: enter(state, 'closed', nowMs), transitions: ['closed'] }
  if (state.phase !== 'half-open') return { state, transitions: UNCHANGED }

  const [leases, lost] = splitByEnd(state.leases, nowMs)
  const [streams, established] = splitByEnd(state.streams, nowMs)
  if (lost.length + established.length === 0) return { state, transitions: UNCHANGED }
  const late = lost.length === 0 ? state.late : newest([...state.late, ...lost])
  const succeeded = state.succeeded + established.length
  const step = judge({ ...state, leases, streams, late, succeeded }, policy, now)
  return { state: step.state, transitions: [...Array(lost.length).fill('probe-lost'), ...step.transitions] }
}

type Lease = readonly [token: string, untilMs: number]

/** Those that go on, and those whose time is over. */
function splitByEnd(
  leases: BreakerState['leases'],
  nowMs: number,
): readonly [BreakerState['leases'], readonly Lease[]] {
  const over = [...leases].filter(([, untilMs]) => nowMs >= untilMs)
  if (over.length === 0) return [leases, over]
  return [new Map([...leases].filter(([, untilMs]) => nowMs < untilMs)), over]
}

function newest(late: readonly Lease[]): BreakerState['late'] {
  if (late.length <= LATE_KEPT) return new Map(late)
  const byAge = [...late].sort(([a, aMs], [b, bMs]) => bMs - aMs || (a < b ? 1 : -1))
  return new Map(byAge.slice(0, LATE_KEPT))
}

/** Takes a node's view of its window, and opens when the nodes together show enough of it. */
export function report(
  state: BreakerState,
  policy: Policy,
  { node, seen, peers }: NodeReport,
  now: Moment,
): Step {
  const { state: held, transitions } = advance(state, policy, now)
  const reports = new Map([...held.reports].filter(([, r]) => now.nowMs - r.atMs <= policy.liveMs))
  reports.set(node, { ...seen, atMs: now.nowMs })
  const next = { ...held, reports }
  if (next.phase !== 'closed' && next.phase !== 'recovering') return { state: next, transitions }
  const verdict = judgeReports(next, policy, peers)
  if (verdict === undefined) return { state: next, transitions }
  const opened = open(next, policy, verdict.cause, now)
  return { state: opened, transitions: [...transitions, 'opened'], totals: verdict.totals }
}

/** Asks for a permit to send one probe. Asking again with the same token gives the same permit. */
export function acquire(
  state: BreakerState,
  policy: Policy,
  { token, kind }: ProbeRequest,
  now: Moment,
): Step & { readonly granted: boolean } {
  const first = advance(state, policy, now)
  let next = first.state
  let transitions = first.transitions
  if (next.phase === 'open' && now.nowMs >= next.untilMs) {
    next = enter(next, 'half-open', now.nowMs)
    transitions = [...transitions, 'half-opened']
  }
  if (next.phase !== 'half-open') return { state: next, transitions, granted: false }
  const held = kind === 'stream' ? 'streams' : 'leases'
  if (next[held].has(token)) return { state: next, transitions, granted: true }
  if (next[held].size + next.succeeded + next.failed >= policy.permits)
    return { state: next, transitions, granted: false }
  const leases = new Map(next[held]).set(token, now.nowMs + policy.probeMs)
  return { state: { ...next, [held]: leases }, transitions, granted: true }
}

/**
 * Takes the result of a probe, be it late. Counts once, and only in the generation in which the probe began.
 *
 * A result of `none` told nothing about the upstream (the client left): the permit is given back.
 */
export function settle(state: BreakerState, policy: Policy, settled: SettledProbe, now: Moment): Step {
  const { token, generation, result } = settled
  const isExpected =
    state.phase === 'half-open' &&
    state.generation === generation &&
    (state.leases.has(token) || state.streams.has(token) || state.late.has(token))
  if (!isExpected) return advance(state, policy, now)
  const counted = {
    ...state,
    leases: without(state.leases, token),
    streams: without(state.streams, token),
    late: without(state.late, token),
    succeeded: state.succeeded + (result === 'success' ? 1 : 0),
    failed: state.failed + (result === 'failure' ? 1 : 0),
  }
  const step = advance(counted, policy, now)
  if (step.state.phase !== 'half-open') return step
  const judged = judge(step.state, policy, now)
  return { state: judged.state, transitions: [...step.transitions, ...judged.transitions] }
}

function without(leases: BreakerState['leases'], token: string): BreakerState['leases'] {
  if (!leases.has(token)) return leases
  const rest = new Map(leases)
  rest.delete(token)
  return rest
}

/**
 * Which of two views of one breaker stands: the higher generation; in the same one, which only nodes that were cut
 * off from each other reach, the stricter phase.
 */
export function outranks(
  a: Pick<BreakerState, 'phase' | 'generation'>,
  b: Pick<BreakerState, 'phase' | 'generation'>,
): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation
  return STRICTNESS[a.phase] > STRICTNESS[b.phase]
}

export const STRICTNESS: Readonly<Record<Phase, number>> = {
  closed: 0,
  recovering: 1,
  'half-open': 2,
  open: 3,
}

/** The admitted share in the ramp: from a tenth at its beginning to all at its end. */
export function rampShare(state: BreakerState, policy: Policy, nowMs: number): number {
  if (policy.recoveryMs <= 0) return 1
  const done = 1 - (state.untilMs - nowMs) / policy.recoveryMs
  return Math.min(1, 0.1 + 0.9 * Math.max(0, done))
}

/** Ends a half-open generation as soon as its outcome is certain. */
function judge(state: BreakerState, policy: Policy, now: Moment): Step {
  const { nowMs } = now
  if (state.failed >= policy.failureRate * policy.permits)
    return { state: open(state, policy, 'probe-failed', now), transitions: ['opened'] }
  if (state.succeeded + state.failed < policy.permits) return { state, transitions: UNCHANGED }
  if (policy.recoveryMs <= 0) return { state: enter(state, 'closed', nowMs), transitions: ['closed'] }
  const next = enter(state, 'recovering', nowMs)
  return { state: { ...next, untilMs: nowMs + policy.recoveryMs }, transitions: ['recovering'] }
}

/** min(cap, base · 2^attempt) · (1 + jitter · draw) */
function openMs({ maxOpenMs, openMs, openJitter }: Policy, attempt: number, draw: number): number {
  return Math.floor(Math.min(maxOpenMs, openMs * 2 ** attempt) * (1 + openJitter * draw))
}

/**
 * Lets no end lie further ahead than what it ends takes, and nothing that has happened lie ahead: the clock of Redis
 * may have stepped back, or be that of another server since a failover. Without this it would be open, or ramp, or
 * believe the reports of nodes that are gone, until the clock has come again to where it was.
 */
export function withinReach(state: BreakerState, policy: Policy, nowMs: number): BreakerState {
  const longestMs = state.phase === 'open' ? openMs(policy, state.attempt, 1) : policy.recoveryMs
  const untilMs = Math.min(state.untilMs, nowMs + longestMs)
  const sinceMs = Math.min(state.sinceMs, nowMs)
  const near = (ends: BreakerState['leases']): BreakerState['leases'] =>
    new Map([...ends].map(([token, endMs]) => [token, Math.min(endMs, nowMs + policy.probeMs)]))
  const reports = new Map(
    [...state.reports].map(([node, r]) => [node, { ...r, atMs: Math.min(r.atMs, nowMs) }]),
  )
  return { ...state, sinceMs, untilMs, leases: near(state.leases), streams: near(state.streams), reports }
}

function open(state: BreakerState, policy: Policy, cause: Cause, { nowMs, draw }: Moment): BreakerState {
  const attempt = state.phase === 'closed' ? 0 : Math.min(LAST_ATTEMPT, state.attempt + 1)
  const untilMs = nowMs + openMs(policy, attempt, draw)
  return { ...enter(state, 'open', nowMs), attempt, cause, untilMs }
}

function enter(state: BreakerState, phase: Phase, nowMs: number): BreakerState {
  return {
    ...closedState(state.generation + 1, nowMs),
    phase,
    attempt: phase === 'closed' ? 0 : state.attempt,
    cause: phase === 'closed' ? undefined : state.cause,
    reports: state.reports,
  }
}
