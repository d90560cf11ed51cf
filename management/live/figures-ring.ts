import type { Timers } from '../../foundation/timers.ts'
import { type Choice, Figures } from './figures.ts'
import { MetricsSource } from './metrics-source.ts'

const READ_EVERY_MS = 1_000
/** A quarter of an hour. */
export const KEPT_SECONDS = 900

interface Reading {
  /** When it ended, milliseconds since the epoch. */
  readonly atMs: number
  readonly figures: Figures
}

export interface FiguresRingParts {
  readonly urls: readonly string[]
  readonly timers: Timers
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What was counted in each second of the last quarter of an hour, over all places where metrics are read. */
export class FiguresRing {
  readonly sources: readonly MetricsSource[]
  readonly #parts: FiguresRingParts
  readonly #stop: () => void
  #readings: Reading[] = []
  #isReading = false

  constructor(parts: FiguresRingParts) {
    this.#parts = parts
    this.sources = parts.urls.map(url => new MetricsSource(url))
    this.#stop = parts.timers.every(READ_EVERY_MS, () => void this.#read())
    void this.#read()
  }

  /** What was counted after one time and until another, milliseconds since the epoch. */
  between(fromMs: number, toMs: number): Figures {
    const sum = new Figures()
    for (const { atMs, figures } of this.#readings) if (atMs > fromMs && atMs <= toMs) sum.add(figures)
    return sum
  }

  get choice(): Choice {
    const counted = new Set<string>()
    const timed = new Set<string>()
    for (const { figures } of this.#readings) {
      for (const [service, { requests }] of figures.kong) if (requests > 0) counted.add(service)
      for (const [service, { durations }] of figures.logged) if (durations.count > 0) timed.add(service)
    }
    return { counted, timed }
  }

  close(): void {
    this.#stop()
  }

  async #read(): Promise<void> {
    if (this.#isReading || this.sources.length === 0) return
    this.#isReading = true
    const figures = new Figures()
    await Promise.all(this.sources.map(source => source.read(figures, this.#parts.now())))
    const atMs = this.#parts.now()
    this.#readings.push({ atMs, figures })
    const oldestMs = atMs - KEPT_SECONDS * 1_000
    this.#readings = this.#readings.filter(reading => reading.atMs > oldestMs)
    this.#isReading = false
  }
}
