import type { Cause, Phase, Policy } from './policy.ts'

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

export interface Totals {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Nodes that had calls. */
  readonly nodes: number
  /** Nodes whose own rate is over a threshold. */
  readonly witnesses: number
}

/** What the nodes of one breaker have reported. */
export interface Evidence {
  readonly phase: Phase
  readonly generation: number
  /** The latest report of each process, by `<node>/<process>`. */
  readonly reports: ReadonlyMap<string, DatedReport>
}

export interface Verdict {
  readonly cause: Cause
  readonly totals: Totals
}

/** Sums the reports of this generation. */
export function totalsOf(state: Evidence, policy: Policy): Totals {
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

/**
 * Why the nodes together would open the breaker, if they would.
 *
 * @param peers nodes that live, with traffic or without: a majority of them is asked for, up to the quorum.
 */
export function judgeReports(state: Evidence, policy: Policy, peers: number): Verdict | undefined {
  const { cutOff, ...totals } = sumReports(state, policy)
  const quorum = quorumOf(Math.max(peers, totals.nodes), policy)
  if (totals.witnesses < quorum) return undefined
  if (cutOff >= quorum) return { cause: 'connection-failures', totals }
  if (totals.calls < minimumIn(state.phase, policy)) return undefined
  const cause = rateCause(totals, policy)
  return cause && { cause, totals }
}

/** The processes of a node have one voice: one machine with a bad network must not outvote the others. */
function sumReports(state: Evidence, policy: Policy): Totals & { readonly cutOff: number } {
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
