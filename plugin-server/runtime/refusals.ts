import type { BoundCounter, Metrics } from '../../foundation/metrics.ts'

/** Kong asks again with each request on a route whose plugin it could not start: after this long it is no news. */
const SHOWN_MS = 300_000

interface Refusal {
  readonly atMs: number
  readonly reason: string
}

/** Instances that could not start: Kong answers 500 on their routes. */
export class Refusals {
  readonly #now: () => number
  readonly #counters = new Map<string, BoundCounter>()
  readonly #last = new Map<string, Refusal>()

  /**
   * @param plugins those that are known; any other counts as `unknown`
   * @param now monotonic milliseconds
   */
  constructor(metrics: Metrics, plugins: Iterable<string>, now: () => number) {
    this.#now = now
    const refused = metrics.counter('sluice_instances_refused_total', 'Instances that could not start.', [
      'plugin',
    ])
    for (const plugin of [...plugins, UNKNOWN]) this.#counters.set(plugin, refused.with({ plugin }))
  }

  add(plugin: string, reason: string): void {
    const known = this.#counters.has(plugin) ? plugin : UNKNOWN
    this.#counters.get(known)?.add()
    this.#last.set(known, { atMs: this.#now(), reason })
  }

  /** One sentence for each plugin whose instance was refused lately. */
  problems(): string[] {
    const now = this.#now()
    return [...this.#last]
      .filter(([, { atMs }]) => now - atMs < SHOWN_MS)
      .map(([plugin, { atMs, reason }]) => {
        const seconds = Math.round((now - atMs) / 1000)
        return `an instance of ${plugin} was refused ${seconds} s ago, so Kong answers 500 on its routes: ${reason}`
      })
  }
}

const UNKNOWN = 'unknown'
