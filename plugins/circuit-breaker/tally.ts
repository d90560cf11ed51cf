import type { BoundCounter, BoundGauge, Metrics } from '../../sdk/sdk.ts'
import type { Phase } from './policy.ts'

/** What is counted of a breaker's requests. */
export const COUNTED = [
  'success',
  'failure',
  'unreachable',
  'none',
  'slow',
  'rejected',
  'fallback',
  'shadow',
] as const
export type Counted = (typeof COUNTED)[number]

/** Those that did not reach the upstream have a metric of their own. */
const HELD_BACK: ReadonlySet<Counted> = new Set(['rejected', 'fallback', 'shadow'])

/** One breaker's counts since the last time that they were added to its metrics. */
export type Tally = Record<Counted, number>

export const createTally = (): Tally => ({
  success: 0,
  failure: 0,
  unreachable: 0,
  none: 0,
  slow: 0,
  rejected: 0,
  fallback: 0,
  shadow: 0,
})

const PHASE_NUMBER: Readonly<Record<Phase, number>> = { closed: 0, recovering: 1, 'half-open': 2, open: 3 }

interface Labels {
  readonly service: string
  readonly route: string
}

/** The metrics of one breaker. */
export interface Gauges {
  /** Adds the tally and empties it. */
  take(tally: Tally, phase: Phase): void
  changed(state: string): void
}

/** Makes the metrics of breakers; a counter that is never used is never made. */
export function createGauges(metrics: Metrics): (labels: Labels) => Gauges {
  const calls = metrics.counter(
    'sluice_breaker_calls_total',
    'finished calls by outcome: success, failure, unreachable, none (says nothing about the upstream), slow',
    ['service', 'route', 'outcome'],
  )
  const heldBack = metrics.counter(
    'sluice_breaker_rejected_total',
    'requests that did not reach their upstream: rejected, fallback; shadow: would have been',
    ['service', 'route', 'outcome'],
  )
  const state = metrics.gauge(
    'sluice_breaker_phase_state',
    '0 closed, 1 recovering, 2 half-open, 3 open, as this node sees it',
    ['service', 'route'],
  )
  const changes = metrics.counter('sluice_breaker_transitions_total', 'changes of state', [
    'service',
    'route',
    'state',
  ])
  return labels => {
    const counters: Partial<Record<Counted, BoundCounter>> = {}
    let gauge: BoundGauge | undefined
    let shown: Phase | undefined
    return {
      take(tally, phase) {
        for (const what of COUNTED) {
          if (tally[what] === 0) continue
          counters[what] ??= (HELD_BACK.has(what) ? heldBack : calls).with({ ...labels, outcome: what })
          counters[what].add(tally[what])
          tally[what] = 0
        }
        if (phase === shown) return
        shown = phase
        gauge ??= state.with(labels)
        gauge.set(PHASE_NUMBER[phase])
      },
      changed: name => changes.with({ ...labels, state: name }).add(),
    }
  }
}
