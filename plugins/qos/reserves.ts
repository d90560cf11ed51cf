/** Time in which what a priority needs is forgotten to a third. */
const MEMORY_MS = 5000

/** What one priority has in flight, and the most that it has lately had. */
class Need {
  inFlight = 0
  #peak = 0
  #atMs = 0

  peak(nowMs: number): number {
    const faded = this.#peak * Math.exp((this.#atMs - nowMs) / MEMORY_MS)
    this.#peak = Math.max(this.inFlight, faded)
    this.#atMs = nowMs
    return this.#peak
  }
}

/** Keeps room free for those of higher priority. Pure: the time comes in with every call. */
export class Reserves {
  /** The highest priority last. */
  readonly #needs: readonly Need[]

  constructor(priorities: number) {
    this.#needs = Array.from({ length: priorities }, () => new Need())
  }

  enter(priority: number, nowMs: number): void {
    const need = this.#needs[priority]
    if (!need) return
    need.inFlight++
    need.peak(nowMs)
  }

  leave(priority: number): void {
    const need = this.#needs[priority]
    if (need) need.inFlight--
  }

  /** What those above have lately needed, and the square root of it for chance (the spread of a Poisson arrival). */
  above(priority: number, nowMs: number): number {
    let reserved = 0
    for (const need of this.#needs.slice(priority + 1)) {
      const peak = need.peak(nowMs)
      if (peak >= 0.5) reserved += Math.max(0, peak + Math.sqrt(peak) - need.inFlight)
    }
    return reserved
  }
}
