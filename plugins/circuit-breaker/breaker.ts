/**
 * The state machine of a circuit breaker: pure, synchronous, without a clock of its own.
 *
 * ```
 *              rate over the threshold                    open time over,
 *              at enough nodes                            a request asks to probe
 *   CLOSED ─────────────────────────────▶ OPEN ──────────────────────────────▶ HALF_OPEN
 *     ▲                                   ▲  ▲      probes failed or lost          │
 *     │ ramp over                         │  └─────────────────────────────────────┤
 *     │                     rate over it  │                                        │ probes succeeded
 *     └──────────────────────────── RECOVERING ◀───────────────────────────────────┘
 * ```
 *
 * Every change of phase begins a new generation, and evidence counts only in the generation in which it was
 * gathered. The same machine runs in three places: as a script in Redis for the whole cluster (`breaker.lua` is this
 * file in Lua), in memory where there is no Redis, and on each node for what that node alone has seen.
 */

export type Phase = 'closed' | 'open' | 'half-open' | 'recovering'

export type Cause = 'failure-rate' | 'slow-call-rate' | 'connection-failures' | 'probe-failed'

/** What happened in a step, in the order in which it happened. */
export type Transition = 'opened' | 'half-opened' | 'recovering' | 'closed' | 'probe-lost'

/** Thresholds and durations. Rates are shares in (0, 1]. */
export interface Policy {
  readonly failureRate: number
  readonly slowCallRate: number
  readonly minimumCalls: number
  /** Connection failures in a row at one node that trip it; 0 for never. */
  readonly connectionFailures: number
  /** Nodes that must see the trouble before the cluster trips: more than half of those that live, at most this. */
  readonly quorumNodes: number
  readonly openMs: number
  readonly maxOpenMs: number
  /** The open time is stretched by a random share between 0 and this. */
  readonly openJitter: number
  /** Probes in one half-open generation. */
  readonly permits: number
  /** A probe without a result after this time is lost and counts as a failure. */
  readonly probeMs: number
  /** How long the ramp takes; 0 for none. */
  readonly recoveryMs: number
  /** A report older than this belongs to a node that is gone. */
  readonly liveMs: number
}

/** What one node has seen in its window. */
export interface Report {
  readonly generation: number
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Connection failures in a row. */
  readonly connectionFailures: number
}

export interface DatedReport extends Report {
  readonly atMs: number
}

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
  /** Probes under way and when each is given up for lost. */
  readonly leases: ReadonlyMap<string, number>
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

export interface Totals {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Nodes that had calls. */
  readonly nodes: number
  /** Nodes whose own rate is over a threshold. */
  readonly witnesses: number
}

export type ProbeResult = 'success' | 'failure' | 'none'

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
  succeeded: 0,
  failed: 0,
  reports: NO_REPORTS,
})

/**
 * Lets time pass: lost probes count as failures, and a ramp that is over closes. An open breaker stays open until
 * somebody asks to probe.
 *
 * @param draw uniform in [0, 1): stretches the open time, should it open.
 */
export function advance(state: BreakerState, policy: Policy, nowMs: number, draw: number): Step {
  if (state.phase === 'recovering' && nowMs >= state.untilMs)
    return { state: enter(state, 'closed', nowMs), transitions: ['closed'] }
  if (state.phase !== 'half-open') return { state, transitions: UNCHANGED }

  const leases = new Map([...state.leases].filter(([, untilMs]) => nowMs < untilMs))
  const lost = state.leases.size - leases.size
  if (lost === 0) return { state, transitions: UNCHANGED }
  const step = judge({ ...state, leases, failed: state.failed + lost }, policy, nowMs, draw)
  return { state: step.state, transitions: [...Array(lost).fill('probe-lost'), ...step.transitions] }
}

/**
 * Takes a node's view of its window, and trips when the nodes together show enough of it.
 *
 * @param peers nodes that live, with traffic or without: a majority of them is asked for, up to the quorum.
 */
export function report(
  state: BreakerState,
  policy: Policy,
  node: string,
  seen: Report,
  peers: number,
  nowMs: number,
  draw: number,
): Step {
  const first = advance(state, policy, nowMs, draw)
  const reports = new Map([...first.state.reports].filter(([, r]) => nowMs - r.atMs <= policy.liveMs))
  reports.set(node, { ...seen, atMs: nowMs })
  const next = { ...first.state, reports }
  if (next.phase !== 'closed' && next.phase !== 'recovering')
    return { state: next, transitions: first.transitions }
  const { cutOff, ...totals } = sumReports(next, policy)
  const cause = tripCause(next.phase, totals, cutOff, policy, peers)
  if (cause === undefined) return { state: next, transitions: first.transitions }
  const opened = open(next, policy, cause, nowMs, draw)
  return { state: opened, transitions: [...first.transitions, 'opened'], totals }
}

/** Asks for a lease to send one probe. Asking again with the same token gives the same lease. */
export function acquire(
  state: BreakerState,
  policy: Policy,
  token: string,
  nowMs: number,
  draw: number,
): Step & { readonly granted: boolean } {
  const first = advance(state, policy, nowMs, draw)
  let next = first.state
  let transitions = first.transitions
  if (next.phase === 'open' && nowMs >= next.untilMs) {
    next = enter(next, 'half-open', nowMs)
    transitions = [...transitions, 'half-opened']
  }
  if (next.phase !== 'half-open') return { state: next, transitions, granted: false }
  if (next.leases.has(token)) return { state: next, transitions, granted: true }
  if (next.leases.size + next.succeeded + next.failed >= policy.permits)
    return { state: next, transitions, granted: false }
  const leases = new Map(next.leases).set(token, nowMs + policy.probeMs)
  return { state: { ...next, leases }, transitions, granted: true }
}

/**
 * Takes the result of a probe. Counts only in the generation of its lease and while the lease lasts.
 *
 * @param result `none` when the probe told nothing about the upstream (the client left): the permit is given back.
 */
export function settle(
  state: BreakerState,
  policy: Policy,
  token: string,
  generation: number,
  result: ProbeResult,
  nowMs: number,
  draw: number,
): Step {
  const first = advance(state, policy, nowMs, draw)
  const held = first.state
  if (held.phase !== 'half-open' || held.generation !== generation || !held.leases.has(token)) return first
  const leases = new Map(held.leases)
  leases.delete(token)
  const step = judge(
    {
      ...held,
      leases,
      succeeded: held.succeeded + (result === 'success' ? 1 : 0),
      failed: held.failed + (result === 'failure' ? 1 : 0),
    },
    policy,
    nowMs,
    draw,
  )
  return { state: step.state, transitions: [...first.transitions, ...step.transitions] }
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

/** Sums the reports of this generation. */
export function totalsOf(state: BreakerState, policy: Policy): Totals {
  const { cutOff, ...totals } = sumReports(state, policy)
  return totals
}

/** How many nodes must see the trouble, of those that live. */
export const quorumOf = (nodes: number, policy: Policy): number =>
  Math.min(policy.quorumNodes, Math.floor(nodes / 2) + 1)

/** Why this one node would trip on its own evidence, if it would. */
export function ownCause(phase: Phase, seen: Report, policy: Policy): Cause | undefined {
  if (inARow(seen, policy)) return 'connection-failures'
  return seen.calls >= minimumIn(phase, policy) ? rateCause(seen, policy) : undefined
}

/** In the ramp few requests pass, and what was lately down is suspect: a quarter of the minimum is enough. */
const minimumIn = (phase: Phase, policy: Policy): number =>
  phase === 'recovering' ? Math.ceil(policy.minimumCalls / 4) : policy.minimumCalls

/** The admitted share in the ramp: from a tenth at its beginning to all at its end. */
export function rampShare(state: BreakerState, policy: Policy, nowMs: number): number {
  if (policy.recoveryMs <= 0) return 1
  const done = 1 - (state.untilMs - nowMs) / policy.recoveryMs
  return Math.min(1, 0.1 + 0.9 * Math.max(0, done))
}

const inARow = (seen: Report, policy: Policy): boolean =>
  policy.connectionFailures > 0 && seen.connectionFailures >= policy.connectionFailures

function rateCause(
  { calls, failures, slow }: Pick<Report, 'calls' | 'failures' | 'slow'>,
  policy: Policy,
): Cause | undefined {
  if (calls === 0) return undefined
  if (failures >= policy.failureRate * calls) return 'failure-rate'
  return slow >= policy.slowCallRate * calls ? 'slow-call-rate' : undefined
}

function tripCause(
  phase: Phase,
  totals: Totals,
  cutOff: number,
  policy: Policy,
  peers: number,
): Cause | undefined {
  const quorum = quorumOf(Math.max(peers, totals.nodes), policy)
  if (totals.witnesses < quorum) return undefined
  if (cutOff >= quorum) return 'connection-failures'
  return totals.calls >= minimumIn(phase, policy) ? rateCause(totals, policy) : undefined
}

/** The processes of a node have one voice: one machine with a bad network must not outvote the others. */
function sumReports(state: BreakerState, policy: Policy): Totals & { readonly cutOff: number } {
  const nodes = new Map<string, Report>()
  for (const [id, seen] of state.reports) {
    if (seen.generation !== state.generation || seen.calls === 0) continue
    const node = nodeOf(id)
    const other = nodes.get(node)
    nodes.set(node, other === undefined ? seen : addReports(seen, other))
  }
  const sums = { calls: 0, failures: 0, slow: 0, nodes: nodes.size, witnesses: 0, cutOff: 0 }
  for (const seen of nodes.values()) {
    sums.calls += seen.calls
    sums.failures += seen.failures
    sums.slow += seen.slow
    const isCutOff = inARow(seen, policy)
    if (isCutOff) sums.cutOff += 1
    if (isCutOff || rateCause(seen, policy) !== undefined) sums.witnesses += 1
  }
  return sums
}

const nodeOf = (id: string): string => {
  const end = id.lastIndexOf('/')
  return end < 0 ? id : id.slice(0, end)
}

const addReports = (a: Report, b: Report): Report => ({
  generation: a.generation,
  calls: a.calls + b.calls,
  failures: a.failures + b.failures,
  slow: a.slow + b.slow,
  connectionFailures: Math.max(a.connectionFailures, b.connectionFailures),
})

/** Ends a half-open generation as soon as its outcome is certain. */
function judge(state: BreakerState, policy: Policy, nowMs: number, draw: number): Step {
  if (state.failed >= policy.failureRate * policy.permits)
    return { state: open(state, policy, 'probe-failed', nowMs, draw), transitions: ['opened'] }
  if (state.succeeded + state.failed < policy.permits) return { state, transitions: UNCHANGED }
  if (policy.recoveryMs <= 0) return { state: enter(state, 'closed', nowMs), transitions: ['closed'] }
  const next = enter(state, 'recovering', nowMs)
  return { state: { ...next, untilMs: nowMs + policy.recoveryMs }, transitions: ['recovering'] }
}

/** min(cap, base · 2^attempt) · (1 + jitter · draw) */
function open(state: BreakerState, policy: Policy, cause: Cause, nowMs: number, draw: number): BreakerState {
  const attempt = state.phase === 'closed' ? 0 : Math.min(LAST_ATTEMPT, state.attempt + 1)
  const openMs = Math.min(policy.maxOpenMs, policy.openMs * 2 ** attempt)
  const untilMs = nowMs + Math.floor(openMs * (1 + policy.openJitter * draw))
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
