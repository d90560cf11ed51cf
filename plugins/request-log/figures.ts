import { number, record, type Serialized } from '../../sdk/log-data/serialized.ts'
import type { BoundHistogram, Metrics } from '../../sdk/sdk.ts'
import { nameOf, statusOf } from './line.ts'

/** Seconds; as Kong's plugin prometheus has them, without those that nobody reads. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** Pairs of service and route with series of their own; each has up to 150 of them. */
const MAX_PAIRS = 1_000
const OTHER = '(other)'

interface Series {
  readonly request: BoundHistogram
  readonly upstream: BoundHistogram
}

/** Requests and their durations, by service, route and class of status. */
export class RequestFigures {
  readonly #metrics: Metrics
  readonly #series = new Map<string, Map<string, Series>>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  add(log: Serialized): void {
    const latencies = record(log.latencies)
    const { request, upstream } = this.#seriesOf(log)
    request.observe((number(latencies.request) ?? 0) / 1_000)
    const proxy = number(latencies.proxy) ?? -1
    if (proxy >= 0) upstream.observe(proxy / 1_000)
  }

  #seriesOf(log: Serialized): Series {
    const service = nameOf(log.service, 'host') ?? ''
    const route = nameOf(log.route, 'id') ?? ''
    const pair = `${service}\0${route}`
    const known = this.#series.get(pair)
    const isOther = known === undefined && this.#series.size >= MAX_PAIRS
    const names = isOther ? { service: OTHER, route: OTHER } : { service, route }
    const byStatus = isOther ? this.#pair(OTHER) : this.#pair(pair)
    const status = statusClass(statusOf(log))
    const found = byStatus.get(status)
    if (found) return found
    const series = this.#create({ ...names, status })
    byStatus.set(status, series)
    return series
  }

  #pair(name: string): Map<string, Series> {
    const known = this.#series.get(name)
    if (known) return known
    const made = new Map<string, Series>()
    this.#series.set(name, made)
    return made
  }

  #create(labels: { readonly service: string; readonly route: string; readonly status: string }): Series {
    const by = ['service', 'route', 'status'] as const
    const request = this.#metrics.histogram(
      'sluice_request_duration_seconds',
      'how long requests took, from their first byte to the last of the answer',
      BUCKETS,
      by,
    )
    const upstream = this.#metrics.histogram(
      'sluice_request_upstream_duration_seconds',
      'how long services took to begin their answers',
      BUCKETS,
      by,
    )
    return { request: request.with(labels), upstream: upstream.with(labels) }
  }
}

/** `2xx`; `none` where the client had gone before an answer. */
export function statusClass(status: number): string {
  const digit = Math.floor(status / 100)
  return digit >= 1 && digit <= 5 ? `${digit}xx` : 'none'
}
