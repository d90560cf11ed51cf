import type { Metrics } from '../foundation/metrics.ts'

const LOSS_REASONS = ['spool-full', 'memory-full', 'too-large', 'malformed', 'corrupt'] as const
export type LossReason = (typeof LOSS_REASONS)[number]

/** The metrics of the event pipeline, bound once. */
export interface EventMetrics {
  appended(type: string): void
  repeated(): void
  undeclared(type: string): void
  late(records: number): void
  lost(reason: LossReason, count: number): void
  synced(seconds: number): void
  spoolBytes(bytes: number): void
  sink(name: string): SinkMetrics
}

export interface SinkMetrics {
  confirmed(records: number): void
  retried(records: number): void
  refused(records: number): void
  backlog(records: number, bytes: number): void
  lag(seconds: number): void
}

const FSYNC_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

export function createEventMetrics(metrics: Metrics): EventMetrics {
  const appended = metrics.counter('sluice_events_appended_total', 'events written to the spool', ['type'])
  const undeclared = metrics.counter(
    'sluice_events_undeclared_total',
    'events of a type that no one declared, or with data that its schema refuses; stored all the same',
    ['type'],
  )
  const repeated = metrics
    .counter('sluice_events_repeated_total', 'events that were published again and written once')
    .with({})
  const late = metrics
    .counter('sluice_events_late_total', 'events whose publisher was answered before they were on disk')
    .with({})
  const lost = metrics.counter('sluice_events_lost_total', 'events that were dropped', ['reason'])
  for (const reason of LOSS_REASONS) lost.with({ reason })
  const fsync = metrics
    .histogram(
      'sluice_events_fsync_seconds',
      'time to write a group of events and make it durable',
      FSYNC_SECONDS,
    )
    .with({})
  const spoolBytes = metrics.gauge('sluice_events_spool_bytes', 'size of the spools of this process').with({})
  const confirmed = metrics.counter('sluice_events_confirmed_total', 'events that a sink has confirmed', [
    'sink',
  ])
  const retried = metrics.counter('sluice_events_retried_total', 'events that were sent to a sink again', [
    'sink',
  ])
  const refused = metrics.counter(
    'sluice_events_refused_total',
    'events that a sink refused for their content; PostgreSQL keeps them in gateway_events_rejected',
    ['sink'],
  )
  const backlogRecords = metrics.gauge('sluice_events_backlog_records', 'events that wait for a sink', [
    'sink',
  ])
  const backlogBytes = metrics.gauge('sluice_events_backlog_bytes', 'bytes that wait for a sink', ['sink'])
  const lag = metrics.gauge(
    'sluice_events_lag_seconds',
    'age of the events that wait for a sink; 0 while none does',
    ['sink'],
  )

  return {
    appended: type => appended.with({ type }).add(),
    undeclared: type => undeclared.with({ type }).add(),
    repeated: () => repeated.add(),
    late: records => late.add(records),
    lost: (reason, count) => lost.with({ reason }).add(count),
    synced: seconds => fsync.observe(seconds),
    spoolBytes: bytes => spoolBytes.set(bytes),
    sink(sink) {
      const bound = {
        confirmed: confirmed.with({ sink }),
        retried: retried.with({ sink }),
        refused: refused.with({ sink }),
        records: backlogRecords.with({ sink }),
        bytes: backlogBytes.with({ sink }),
        lag: lag.with({ sink }),
      }
      return {
        confirmed: records => bound.confirmed.add(records),
        retried: records => bound.retried.add(records),
        refused: records => bound.refused.add(records),
        backlog(records, bytes) {
          bound.records.set(records)
          bound.bytes.set(bytes)
        },
        lag: seconds => bound.lag.set(seconds),
      }
    },
  }
}
