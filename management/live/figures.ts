import { Durations } from './durations.ts'
import type { Sample } from './exposition.ts'

/** Of one service: how many requests, how they ended, how long they took. */
export class Traffic {
  requests = 0
  /** Answers with 5xx, and those that never came. */
  errors = 0
  /** Answers with 4xx. */
  clientErrors = 0
  readonly durations = new Durations()

  add(other: Traffic): void {
    this.requests += other.requests
    this.errors += other.errors
    this.clientErrors += other.clientErrors
    this.durations.addAll(other.durations)
  }

  /** @param status `503` or `5xx` */
  count(status: string, requests: number): void {
    this.requests += requests
    if (status.startsWith('5') || status === 'none') this.errors += requests
    if (status.startsWith('4')) this.clientErrors += requests
  }
}

/** What the limits of a tier did. */
export class TierCounts {
  allowed = 0
  refused = 0
  shed = 0

  add({ allowed, refused, shed }: TierCounts): void {
    this.allowed += allowed
    this.refused += refused
    this.shed += shed
  }
}

const WANTED = new Set([
  'kong_http_requests_total',
  'kong_request_latency_ms_bucket',
  'sluice_request_duration_seconds_bucket',
  'sluice_request_duration_seconds_count',
  'sluice_qos_decisions_total',
  'sluice_qos_shed_total',
  'sluice_events_confirmed_total',
])

export const isFigure = (name: string): boolean => WANTED.has(name)

/**
 * What was counted between two readings. Kong and the plugin `request-log` count the same requests, and are kept apart.
 */
export class Figures {
  readonly kong = new Map<string, Traffic>()
  readonly logged = new Map<string, Traffic>()
  readonly tiers = new Map<string, TierCounts>()
  /** Events that a sink has confirmed. */
  readonly confirmed = new Map<string, number>()

  /** @param delta how much the sample's value has grown */
  count({ name, labels }: Sample, delta: number): void {
    const { service = '', tier = '', sink = '' } = labels
    switch (name) {
      case 'kong_http_requests_total':
        of(this.kong, service, Traffic).count(labels.code ?? '', delta)
        break
      case 'kong_request_latency_ms_bucket':
        of(this.kong, service, Traffic).durations.add(boundOf(labels), delta)
        break
      case 'sluice_request_duration_seconds_bucket':
        of(this.logged, service, Traffic).durations.add(boundOf(labels) * 1_000, delta)
        break
      case 'sluice_request_duration_seconds_count':
        of(this.logged, service, Traffic).count(labels.status ?? '', delta)
        break
      case 'sluice_qos_decisions_total':
        of(this.tiers, tier, TierCounts)[labels.outcome === 'refused' ? 'refused' : 'allowed'] += delta
        break
      case 'sluice_qos_shed_total':
        of(this.tiers, tier, TierCounts).shed += delta
        break
      case 'sluice_events_confirmed_total':
        this.confirmed.set(sink, (this.confirmed.get(sink) ?? 0) + delta)
    }
  }

  add(other: Figures): void {
    for (const [service, traffic] of other.kong) of(this.kong, service, Traffic).add(traffic)
    for (const [service, traffic] of other.logged) of(this.logged, service, Traffic).add(traffic)
    for (const [tier, counts] of other.tiers) of(this.tiers, tier, TierCounts).add(counts)
    for (const [sink, count] of other.confirmed)
      this.confirmed.set(sink, (this.confirmed.get(sink) ?? 0) + count)
  }

  /** By service. */
  traffic(choice: Choice): ReadonlyMap<string, Traffic> {
    const names = new Set([...this.kong.keys(), ...this.logged.keys()])
    return new Map([...names].sort().map(name => [name, this.#chosen(name, choice)]))
  }

  #chosen(service: string, { counted, timed }: Choice): Traffic {
    const [kong, logged] = [this.kong.get(service) ?? NONE, this.logged.get(service) ?? NONE]
    const chosen = new Traffic()
    const { requests, errors, clientErrors } = counted.has(service) ? kong : logged
    Object.assign(chosen, { requests, errors, clientErrors })
    chosen.durations.addAll(timed.has(service) ? logged.durations : kong.durations)
    return chosen
  }
}

/**
 * Whose figures of a service are taken: Kong's count of requests and the durations of `request-log`, whose bounds are
 * finer, each where there is one. For all of the time that is kept: the two may tell of one request in different seconds.
 */
export interface Choice {
  /** Services whose requests Kong counts. */
  readonly counted: ReadonlySet<string>
  /** Services whose durations `request-log` measures. */
  readonly timed: ReadonlySet<string>
}

const NONE = new Traffic()

const boundOf = ({ le = '' }: Readonly<Record<string, string>>): number =>
  le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)

function of<V>(map: Map<string, V>, name: string, Kind: new () => V): V {
  const known = map.get(name)
  if (known) return known
  const made = new Kind()
  map.set(name, made)
  return made
}
