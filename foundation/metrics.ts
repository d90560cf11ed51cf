import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Labels are chosen from this list, so that no metric's cardinality follows consumers, keys or addresses. */
export type Label =
  | 'plugin'
  | 'phase'
  | 'outcome'
  | 'service'
  | 'route'
  | 'status'
  | 'tier'
  | 'limit'
  | 'state'
  | 'sink'
  | 'type'
  | 'protocol'
  | 'worker'
  | 'reason'
  | 'method'

type Labels<L extends Label> = Readonly<Record<L, string>>

/** Labels are bound once, outside the hot path: `const rejected = counter.with({plugin: 'qos'})`. */
export interface BoundCounter {
  add(amount?: number): void
}
export interface BoundGauge {
  set(value: number): void
  add(amount: number): void
}
export interface BoundHistogram {
  observe(value: number): void
}
export interface Bindable<L extends Label, B> {
  /** The same labels give the same bound metric. */
  with(labels: Labels<L>): B
}

/** Makes metrics named `sluice_<area>_<what>_<unit>`; asking twice for a name gives the same metric. */
export interface Metrics {
  counter<L extends Label = never>(
    name: `sluice_${string}`,
    help: string,
    labels?: readonly L[],
  ): Bindable<L, BoundCounter>
  gauge<L extends Label = never>(
    name: `sluice_${string}`,
    help: string,
    labels?: readonly L[],
  ): Bindable<L, BoundGauge>
  histogram<L extends Label = never>(
    name: `sluice_${string}`,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Bindable<L, BoundHistogram>
  /** The text exposition format of Prometheus. */
  text(): Promise<string>
  /** The same as data, for `joinMetrics` in another process. */
  snapshot(): Promise<unknown>
}

/** The metrics of several processes as one text: counters, gauges and histograms are added up. */
export function joinMetrics(snapshots: readonly unknown[]): Promise<string> {
  return AggregatorRegistry.aggregate(snapshots as object[]).metrics()
}

/** Observations are handed to the histogram in one go, which its code likes better than one by one. */
const OBSERVATIONS_KEPT = 256

export function createMetrics(options: { process?: boolean } = {}): Metrics {
  const registry = new Registry()
  if (options.process) collectDefaultMetrics({ register: registry, prefix: 'sluice_' })
  return new RegistryMetrics(registry)
}

/** A bound metric counts by itself and is added up here when somebody reads: prom-client's own way costs a µs. */
class RegistryMetrics implements Metrics {
  readonly #registry: Registry
  readonly #pending: { settle(): void }[] = []
  readonly #counters = new Map<string, Bindable<Label, BoundCounter>>()
  readonly #gauges = new Map<string, Bindable<Label, BoundGauge>>()
  readonly #histograms = new Map<string, Bindable<Label, BoundHistogram>>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  counter(name: string, help: string, labels: readonly Label[] = []): Bindable<Label, BoundCounter> {
    return once(this.#counters, name, () => {
      const metric = new Counter(this.#described(name, help, labels))
      return bindable(labels, values => this.#settling(new PendingCounter(name, metric.labels(values))))
    })
  }

  gauge(name: string, help: string, labels: readonly Label[] = []): Bindable<Label, BoundGauge> {
    return once(this.#gauges, name, () => {
      const metric = new Gauge(this.#described(name, help, labels))
      return bindable(labels, values => {
        const bound = metric.labels(values)
        return { set: value => bound.set(value), add: amount => bound.inc(amount) }
      })
    })
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly Label[] = [],
  ): Bindable<Label, BoundHistogram> {
    return once(this.#histograms, name, () => {
      const metric = new Histogram({ ...this.#described(name, help, labels), buckets: [...buckets] })
      return bindable(labels, values => this.#settling(new PendingHistogram(metric.labels(values))))
    })
  }

  text(): Promise<string> {
    for (const pending of this.#pending) pending.settle()
    return this.#registry.metrics()
  }

  snapshot(): Promise<unknown> {
    for (const pending of this.#pending) pending.settle()
    return this.#registry.getMetricsAsJSON()
  }

  #described(name: string, help: string, labels: readonly Label[]) {
    return { name, help, labelNames: [...labels] as string[], registers: [this.#registry] }
  }

  #settling<P extends { settle(): void }>(pending: P): P {
    this.#pending.push(pending)
    return pending
  }
}

class PendingCounter implements BoundCounter {
  readonly #name: string
  readonly #bound: Counter.Internal
  #amount = 0

  constructor(name: string, bound: Counter.Internal) {
    this.#name = name
    this.#bound = bound
    // From the start with 0: the first step of a new series would be no increase to Prometheus.
    bound.inc(0)
  }

  add(amount = 1): void {
    if (!(amount >= 0)) throw new RangeError(`${this.#name} cannot grow by ${amount}`)
    this.#amount += amount
  }

  settle(): void {
    if (this.#amount > 0) this.#bound.inc(this.#amount)
    this.#amount = 0
  }
}

class PendingHistogram implements BoundHistogram {
  readonly #bound: Histogram.Internal<string>
  readonly #values = new Float64Array(OBSERVATIONS_KEPT)
  #count = 0

  constructor(bound: Histogram.Internal<string>) {
    this.#bound = bound
  }

  observe(value: number): void {
    this.#values[this.#count++] = value
    if (this.#count === OBSERVATIONS_KEPT) this.settle()
  }

  settle(): void {
    for (let i = 0; i < this.#count; i++) this.#bound.observe(this.#values[i] ?? 0)
    this.#count = 0
  }
}

function bindable<B>(labels: readonly Label[], bind: (values: Labels<Label>) => B): Bindable<Label, B> {
  const bound = new Map<string, B>()
  return { with: values => once(bound, labels.map(label => values[label]).join('\0'), () => bind(values)) }
}

function once<T>(made: Map<string, T>, name: string, make: () => T): T {
  const known = made.get(name)
  if (known) return known
  const fresh = make()
  made.set(name, fresh)
  return fresh
}
