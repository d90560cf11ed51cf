import { type BoundCounter, BoundedMap, type Host, type Timers } from '../../sdk/sdk.ts'
import type { MemoryCounts } from './memory.ts'
import type { PurgeOrder } from './purge.ts'
import { purgedEvent } from './purged.ts'

/** What became of a request. */
export type RequestOutcome =
  | 'memory-hit'
  | 'redis-hit'
  /** Within `stale-while-revalidate`. */
  | 'stale-hit'
  /** Within `stale-if-error`. */
  | 'error-hit'
  /** Answered by the fetch of another request. */
  | 'collapsed'
  | 'miss'
  | 'uncacheable'
  | 'bypass'
  | 'invalidate'

const REQUEST_OUTCOMES: readonly RequestOutcome[] = [
  ...(['memory-hit', 'redis-hit', 'stale-hit', 'error-hit', 'collapsed', 'miss'] as const),
  ...(['uncacheable', 'bypass', 'invalidate'] as const),
]
export type FetchOutcome = 'stored' | 'revalidated' | 'uncacheable' | 'failed'
const FETCH_OUTCOMES: readonly FetchOutcome[] = ['stored', 'revalidated', 'uncacheable', 'failed']

const SHOW_MS = 1000
const STALE_EVENT_MS = 60_000

type ReporterHost = Pick<Host, 'metrics' | 'events' | 'log' | 'clock'>

/** Shows what the cache does: metrics, events. */
export class CacheReporter {
  readonly #host: ReporterHost
  readonly #requests: Readonly<Record<RequestOutcome, BoundCounter>>
  readonly #fetches: Readonly<Record<FetchOutcome, BoundCounter>>
  readonly #evicted: BoundCounter
  readonly #purged: BoundCounter
  readonly #untold: BoundCounter
  readonly #counts: Record<string, number> = {}
  readonly #staleTold = new BoundedMap<number>(1000)
  #stop = () => {}

  constructor(host: ReporterHost) {
    const { metrics } = host
    this.#host = host
    const requests = metrics.counter('sluice_cache_requests_total', 'requests that the cache has seen', [
      'outcome',
    ])
    const fetches = metrics.counter(
      'sluice_cache_fetches_total',
      'answers of services that could be stored',
      ['outcome'],
    )
    this.#requests = byName(REQUEST_OUTCOMES, outcome => requests.with({ outcome }))
    this.#fetches = byName(FETCH_OUTCOMES, outcome => fetches.with({ outcome }))
    const count = (name: `sluice_${string}`, help: string) => metrics.counter(name, help).with({})
    this.#evicted = count('sluice_cache_evicted_total', 'answers that memory gave up for newer ones')
    this.#purged = count('sluice_cache_purged_total', 'answers in memory that were purged')
    this.#untold = count(
      'sluice_cache_invalidations_untold_total',
      'invalidations that could not be told to other nodes',
    )
  }

  /** Brings the gauges up to date each second. */
  watch(read: () => MemoryCounts, timers: Timers): void {
    const { metrics } = this.#host
    const bytes = metrics.gauge('sluice_cache_memory_bytes', 'memory that stored answers take').with({})
    const entries = metrics.gauge('sluice_cache_memory_entries_count', 'answers in memory').with({})
    this.#stop = timers.every(SHOW_MS, () => {
      const counts = read()
      bytes.set(counts.bytes)
      entries.set(counts.entries)
    })
  }

  close(): void {
    this.#stop()
  }

  /** Requests since the process began, by outcome. */
  get requests(): Readonly<Record<string, number>> {
    return this.#counts
  }

  request(outcome: RequestOutcome): void {
    this.#requests[outcome].add()
    this.#counts[outcome] = (this.#counts[outcome] ?? 0) + 1
  }

  fetched(outcome: FetchOutcome): void {
    this.#fetches[outcome].add()
  }

  evicted(): void {
    this.#evicted.add()
  }

  invalidationUntold(): void {
    this.#untold.add()
  }

  purged(order: PurgeOrder, count: number): void {
    if (count > 0) this.#purged.add(count)
    void this.#host.events.publish(purgedEvent(order))
  }

  staleServed(host: string, target: string, ageMs: number): void {
    const now = this.#host.clock.monotonic()
    if (now - (this.#staleTold.get(host) ?? Number.NEGATIVE_INFINITY) < STALE_EVENT_MS) return
    this.#staleTold.set(host, now)
    const [path = ''] = target.split('?', 1)
    void this.#host.events.publish({
      type: 'cache.stale-served.v1',
      subject: host,
      data: { host, path, age_ms: Math.round(ageMs) },
    })
  }
}

const byName = <N extends string, V>(names: readonly N[], make: (name: N) => V) =>
  Object.fromEntries(names.map(name => [name, make(name)])) as Record<N, V>
