/** Counts of durations by their upper bounds, as a histogram of Prometheus has them. */
export class Durations {
  /** Cumulative counts by upper bound, milliseconds; the last bound is infinity. */
  readonly #counts = new Map<number, number>()

  /** @param boundMs `le` @param count cumulative */
  add(boundMs: number, count: number): void {
    this.#counts.set(boundMs, (this.#counts.get(boundMs) ?? 0) + count)
  }

  addAll(other: Durations): void {
    for (const [bound, count] of other.#counts) this.add(bound, count)
  }

  get count(): number {
    return this.#counts.get(Number.POSITIVE_INFINITY) ?? 0
  }

  /**
   * As `histogram_quantile` of Prometheus: linear within a bucket; beyond the last finite bound that bound.
   *
   * @param share such as 0.95
   * @returns milliseconds; undefined where nothing was counted.
   */
  quantile(share: number): number | undefined {
    const { count } = this
    if (count <= 0) return undefined
    const wanted = share * count
    let [lowerMs, below] = [0, 0]
    for (const [bound, upTo] of [...this.#counts].sort(([a], [b]) => a - b)) {
      if (upTo >= wanted) {
        if (bound === Number.POSITIVE_INFINITY) return lowerMs
        return upTo === below ? bound : lowerMs + ((bound - lowerMs) * (wanted - below)) / (upTo - below)
      }
      if (bound !== Number.POSITIVE_INFINITY) lowerMs = bound
      below = Math.max(below, upTo)
    }
    return lowerMs
  }
}
