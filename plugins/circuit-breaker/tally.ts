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

/** Makes the metrics of breakers; a counter that is never used is never made. */
export class BreakerMetrics {
  readonly calls
  readonly heldBack
  readonly phase
  readonly changes

  constructor(metrics: Metrics) {
    this.calls = metrics.counter(
      'sluice_breaker_calls_total',
      'finished calls by outcome: success, failure, unreachable, none (not about the upstream), slow',
      ['service', 'route', 'outcome'],
    )
    this.heldBack = metrics.counter(
      'sluice_breaker_rejected_total',
      'requests that did not reach their upstream: rejected, fallback; shadow: would have been',
      ['service', 'route', 'outcome'],
    )
    this.phase = metrics.gauge(
      'sluice_breaker_phase_state',
      '0 closed, 1 recovering, 2 half-open, 3 open, as this node sees it',
      ['service', 'route'],
    )
    this.changes = metrics.counter('sluice_breaker_transitions_total', 'changes of state', [
      'service',
      'route',
      'state',
    ])
  }

  of(labels: Labels): ShownBreaker {
    return new ShownBreaker(this, labels)
  }
}

/** The metrics of one breaker. */
export class ShownBreaker {
  readonly #metrics: BreakerMetrics
  readonly #labels: Labels
  readonly #counters: Partial<Record<Counted, BoundCounter>> = {}
  #gauge: BoundGauge | undefined
  #shown: Phase | undefined

  constructor(metrics: BreakerMetrics, labels: Labels) {
    this.#metrics = metrics
    this.#labels = labels
  }

  /** Adds the tally and empties it. */
  take(tally: Tally, phase: Phase): void {
    for (const what of COUNTED) {
      if (tally[what] === 0) continue
      this.#counterOf(what).add(tally[what])
      tally[what] = 0
    }
    if (phase === this.#shown) return
    this.#shown = phase
    this.#gauge ??= this.#metrics.phase.with(this.#labels)
    this.#gauge.set(PHASE_NUMBER[phase])
  }

  changed(state: string): void {
    this.#metrics.changes.with({ ...this.#labels, state }).add()
  }

  #counterOf(outcome: Counted): BoundCounter {
    const known = this.#counters[outcome]
    if (known) return known
    const { calls, heldBack } = this.#metrics
    const made = (HELD_BACK.has(outcome) ? heldBack : calls).with({ ...this.#labels, outcome })
    this.#counters[outcome] = made
    return made
  }
}
