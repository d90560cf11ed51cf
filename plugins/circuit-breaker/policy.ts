export type Phase = 'closed' | 'open' | 'half-open' | 'recovering'

export type Cause = 'failure-rate' | 'slow-call-rate' | 'connection-failures' | 'probe-failed'

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
  /** How long a probe holds its permit. What its silence means afterwards depends on its kind: see `advance`. */
  readonly probeMs: number
  /** How long the ramp takes; 0 for none. */
  readonly recoveryMs: number
  /** A report older than this belongs to a node that is gone. */
  readonly liveMs: number
}
