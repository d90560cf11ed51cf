import type { BoundCounter, BoundHistogram, Metrics } from '../../foundation/metrics.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'

const DURATION_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5]

/** How an event ended; a label of its metric. */
export type Outcome = 'ok' | 'exit' | 'error' | 'late' | 'abandoned'

/** Of one plugin and phase. */
export class PhaseCounts {
  readonly #outcomes = new Map<Outcome, BoundCounter>()
  readonly #counterOf: (outcome: Outcome) => BoundCounter
  readonly #duration: BoundHistogram
  readonly #roundTrips: BoundCounter

  constructor(
    counterOf: (outcome: Outcome) => BoundCounter,
    duration: BoundHistogram,
    roundTrips: BoundCounter,
  ) {
    this.#counterOf = counterOf
    this.#duration = duration
    this.#roundTrips = roundTrips
  }

  ended(outcome: Outcome, durationMs: number, roundTrips: number): void {
    let counter = this.#outcomes.get(outcome)
    if (!counter) {
      counter = this.#counterOf(outcome)
      this.#outcomes.set(outcome, counter)
    }
    counter.add()
    this.#duration.observe(durationMs / 1000)
    if (roundTrips > 0) this.#roundTrips.add(roundTrips)
  }
}

/** Events by their outcomes, with durations and round trips. */
export class EventCounts {
  readonly #byPlugin = new Map<string, Map<Phase, PhaseCounts>>()
  readonly #make: (plugin: string, phase: Phase) => PhaseCounts

  constructor(metrics: Metrics) {
    const events = metrics.counter('sluice_events_total', 'Events by how they ended.', [
      'plugin',
      'phase',
      'outcome',
    ])
    const durations = metrics.histogram(
      'sluice_event_duration_seconds',
      'From the arrival of an event to its end.',
      DURATION_SECONDS,
      ['plugin', 'phase'],
    )
    const trips = metrics.counter(
      'sluice_event_round_trips_total',
      'Writes of events that waited for Kong.',
      ['plugin', 'phase'],
    )
    this.#make = (plugin, phase) =>
      new PhaseCounts(
        outcome => events.with({ plugin, phase, outcome }),
        durations.with({ plugin, phase }),
        trips.with({ plugin, phase }),
      )
  }

  of(plugin: string, phase: Phase): PhaseCounts {
    let byPhase = this.#byPlugin.get(plugin)
    if (!byPhase) {
      byPhase = new Map()
      this.#byPlugin.set(plugin, byPhase)
    }
    let counts = byPhase.get(phase)
    if (!counts) {
      counts = this.#make(plugin, phase)
      byPhase.set(phase, counts)
    }
    return counts
  }
}
