import type { Metrics } from '../foundation/metrics.ts'

/** What a feed counts of its service. */
export interface FeedMetrics {
  /** How many instances pass, as Consul said last. */
  instances(count: number): void
  targets(count: number, held: number): void
  changed(action: 'create' | 'update' | 'delete'): void
  failure(reason: 'consul' | 'kong'): void
  /** Seconds from Consul's answer until Kong had confirmed the change. */
  delay(seconds: number): void
}

const DELAYS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 5, 30]

/** Several upstreams with one service share its numbers; the last one to tell counts. */
export function createFeedMetrics(metrics: Metrics): (service: string) => FeedMetrics {
  const instances = metrics.gauge(
    'sluice_discovery_instances',
    'Passing instances as Consul named them last',
    ['service'],
  )
  const targets = metrics.gauge('sluice_discovery_targets', 'Targets of Kong that discovery made', [
    'service',
  ])
  const held = metrics.gauge(
    'sluice_discovery_held_targets',
    'Targets that do not pass any more and are kept, because too many would go at once',
    ['service'],
  )
  const changes = metrics.counter('sluice_discovery_changes_total', 'Targets created, updated and deleted', [
    'service',
    'type',
  ])
  const failures = metrics.counter(
    'sluice_discovery_failures_total',
    'Questions to Consul and writes to Kong that failed',
    ['service', 'reason'],
  )
  const delay = metrics.histogram(
    'sluice_discovery_delay_seconds',
    "Time from Consul's answer until Kong confirmed the change",
    DELAYS,
    ['service'],
  )
  return service => ({
    instances: count => instances.with({ service }).set(count),
    targets(count, kept) {
      targets.with({ service }).set(count)
      held.with({ service }).set(kept)
    },
    changed: type => changes.with({ service, type }).add(),
    failure: reason => failures.with({ service, reason }).add(),
    delay: seconds => delay.with({ service }).observe(seconds),
  })
}
