import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Labels are chosen from this list, so that no metric's cardinality follows consumers, keys or addresses. */
export type Label =
  | 'plugin'
  | 'phase'
  | 'outcome'
  | 'service'
  | 'route'
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
  /** A bound metric counts by itself and is added up here when somebody reads: prom-client's own way costs a µs. */
  const settling: (() => void)[] = []
  const counters = new Map<string, Bindable<Label, BoundCounter>>()
  const gauges = new Map<string, Bindable<Label, BoundGauge>>()
  const histograms = new Map<string, Bindable<Label, BoundHistogram>>()

  return {
    counter(name, help, labels = []) {
      return once(counters, name, () => {
        const metric = new Counter({ name, help, labelNames: [...labels] as string[], registers: [registry] })
        return bindable(labels, values => {
          const bound = metric.labels(values)
          // From the start with 0: the first step of a new series would be no increase to Prometheus.
          bound.inc(0)
          let pending = 0
          settling.push(() => {
            if (pending > 0) bound.inc(pending)
            pending = 0
          })
          return {
            add: (amount = 1) => {
              if (!(amount >= 0)) throw new RangeError(`${name} can't grow by ${amount}`)
              pending += amount
            },
          }
        })
      })
    },
    gauge(name, help, labels = []) {
      return once(gauges, name, () => {
        const metric = new Gauge({ name, help, labelNames: [...labels] as string[], registers: [registry] })
        return bindable(labels, values => {
          const bound = metric.labels(values)
          return { set: value => bound.set(value), add: amount => bound.inc(amount) }
        })
      })
    },
    histogram(name, help, buckets, labels = []) {
      return once(histograms, name, () => {
        const metric = new Histogram({
          name,
          help,
          buckets: [...buckets],
          labelNames: [...labels] as string[],
          registers: [registry],
        })
        return bindable(labels, values => {
          const bound = metric.labels(values)
          const waiting = new Float64Array(OBSERVATIONS_KEPT)
          let count = 0
          const settle = () => {
            for (let i = 0; i < count; i++) bound.observe(waiting[i]!)
            count = 0
          }
          settling.push(settle)
          return {
            observe: value => {
              waiting[count++] = value
              if (count === OBSERVATIONS_KEPT) settle()
            },
          }
        })
      })
    },
    text() {
      for (const settle of settling) settle()
      return registry.metrics()
    },
    snapshot() {
      for (const settle of settling) settle()
      return registry.getMetricsAsJSON()
    },
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
