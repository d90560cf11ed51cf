/** What is counted and logged about events: their outcomes, durations and round trips, failures, a blocked loop. */
import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import type { Timers } from '../../foundation/timers.ts'
import { EventCounts } from './event-counts.ts'
import { FailureLog } from './failure-log.ts'
import { LoopWatch, TICK_MS } from './loop-watch.ts'

export interface EventMeterParts {
  readonly metrics: Metrics
  readonly log: Logger
  readonly clock: Clock
  readonly timers: Timers
  /** Those whose counters exist from the start. */
  readonly plugins: Iterable<string>
}

export class EventMeter {
  readonly counts: EventCounts
  readonly failures = new FailureLog()
  readonly loop: LoopWatch
  readonly #stopTicking: () => void

  constructor({ metrics, log, clock, timers, plugins }: EventMeterParts) {
    this.counts = new EventCounts(metrics)
    this.loop = new LoopWatch(metrics, log, plugins, clock.monotonic())
    this.#stopTicking = timers.every(TICK_MS, () => {
      const nowMs = clock.monotonic()
      this.loop.tick(nowMs)
      this.failures.tick(nowMs)
    })
  }

  /** Writes what is still to be logged. */
  close(): void {
    this.#stopTicking()
    this.failures.close()
  }
}
