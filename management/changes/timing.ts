import { SETTLE } from '../../kong/reconcile/steps/settle.ts'
import type { SettleOptions } from '../../kong/reconcile/steps/steps.ts'

/** What the guarantees rest on; tests shorten it. Milliseconds. */
export interface Timing {
  /** How long the right to write lasts without being renewed. */
  readonly leaseMs: number
  readonly renewEveryMs: number
  /** How long a request under the lease may take; also what a new holder waits for those of the old one. */
  readonly requestMs: number
  /** How long, and how often, late writes are looked for after an unknown step. */
  readonly settle: SettleOptions
  /** The shortest pause between two readings of all of Kong. */
  readonly driftEveryMs: number
  /** That pause is so many times as long as a reading takes, at least. */
  readonly driftPauseFactor: number
}

export const TIMING: Timing = {
  leaseMs: 5_000,
  renewEveryMs: 1_500,
  requestMs: 2_000,
  settle: SETTLE,
  driftEveryMs: 15_000,
  driftPauseFactor: 50,
}
