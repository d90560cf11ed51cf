import type { BoundCounter, BoundGauge, Metrics } from '../foundation/metrics.ts'

const LOSS_REASONS = ['spool-full', 'memory-full', 'too-large', 'malformed', 'corrupt'] as const
export type LossReason = (typeof LOSS_REASONS)[number]

const FSYNC_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

/** The metrics of the event pipeline. Every series that an alert looks at exists from the start. */
export class EventMetrics {
  readonly #metrics: Metrics
  readonly #appended
  readonly #undeclared
  readonly #lost
  readonly #repeated: BoundCounter
  readonly #late: BoundCounter
  readonly #fsync
  readonly #spoolBytes: BoundGauge

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#appended = metrics.counter('sluice_events_appended_total', 'events written to the spool', ['type'])
    this.#undeclared = metrics.counter(
      'sluice_events_undeclared_total',
      'events of an undeclared type, or whose data does not match its schema; stored nevertheless',
      ['type'],
    )
    this.#lost = metrics.counter('sluice_events_lost_total', 'events that were dropped', ['reason'])
    for (const reason of LOSS_REASONS) this.#lost.with({ reason })
    this.#repeated = metrics
      .counter('sluice_events_repeated_total', 'events published again and written once')
      .with({})
    this.#late = metrics
      .counter('sluice_events_late_total', 'events acknowledged before they were on disk')
      .with({})
    this.#fsync = metrics
      .histogram(
        'sluice_events_fsync_seconds',
        'time to write a group of events and make it durable',
        FSYNC_SECONDS,
      )
      .with({})
    this.#spoolBytes = metrics
      .gauge('sluice_events_spool_bytes', 'size of the spools of this process')
      .with({})
  }

  appended(type: string): void {
    this.#appended.with({ type }).add()
  }

  undeclared(type: string): void {
    this.#undeclared.with({ type }).add()
  }

  repeated(): void {
    this.#repeated.add()
  }

  late(records: number): void {
    this.#late.add(records)
  }

  lost(reason: LossReason, count: number): void {
    this.#lost.with({ reason }).add(count)
  }

  synced(seconds: number): void {
    this.#fsync.observe(seconds)
  }

  spoolBytes(bytes: number): void {
    this.#spoolBytes.set(bytes)
  }

  sink(name: string): SinkMetrics {
    return new SinkMetrics(this.#metrics, name)
  }
}

/** The metrics of one sink. */
export class SinkMetrics {
  readonly #confirmed: BoundCounter
  readonly #retried: BoundCounter
  readonly #refused: BoundCounter
  readonly #records: BoundGauge
  readonly #bytes: BoundGauge
  readonly #lag: BoundGauge

  constructor(metrics: Metrics, sink: string) {
    const counter = (name: `sluice_${string}`, help: string) =>
      metrics.counter(name, help, ['sink']).with({ sink })
    const gauge = (name: `sluice_${string}`, help: string) =>
      metrics.gauge(name, help, ['sink']).with({ sink })
    this.#confirmed = counter('sluice_events_confirmed_total', 'events that a sink has confirmed')
    this.#retried = counter('sluice_events_retried_total', 'events that were sent to a sink again')
    this.#refused = counter(
      'sluice_events_refused_total',
      'events that a sink rejected for their content; PostgreSQL keeps them in gateway_events_rejected',
    )
    this.#records = gauge('sluice_events_backlog_records', 'events that wait for a sink')
    this.#bytes = gauge('sluice_events_backlog_bytes', 'bytes that wait for a sink')
    this.#lag = gauge('sluice_events_lag_seconds', 'age of the oldest event waiting for a sink; 0 if none is')
  }

  confirmed(records: number): void {
    this.#confirmed.add(records)
  }

  retried(records: number): void {
    this.#retried.add(records)
  }

  refused(records: number): void {
    this.#refused.add(records)
  }

  backlog(records: number, bytes: number): void {
    this.#records.set(records)
    this.#bytes.set(bytes)
  }

  lag(seconds: number): void {
    this.#lag.set(seconds)
  }
}
