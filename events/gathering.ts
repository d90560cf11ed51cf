import type { Clock } from '../foundation/clock.ts'
import type { Timers } from '../foundation/timers.ts'

export interface GatheringOptions<T> {
  readonly clock: Clock
  readonly timers: Timers
  /** How long items gather from one batch to the next, milliseconds. */
  readonly gatherMs: number
  /** Items that make a batch before the time is up. */
  readonly enough: number
  /** Takes a batch; resolves when all of it is done with, and never rejects. */
  readonly take: (items: readonly T[]) => Promise<unknown>
}

interface Batch<T> {
  readonly items: T[]
  /** How many make it whole. */
  readonly enough: number
  readonly done: Promise<void>
  readonly settle: () => void
  /** Calls the timer off. */
  readonly callOff: () => void
}

/** Hands items over in batches: at once after a quiet time, else when the time is up or there are enough. */
export class Gathering<T> {
  readonly #options: GatheringOptions<T>
  #batch: Batch<T> | undefined
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(options: GatheringOptions<T>) {
    this.#options = options
  }

  /** Resolves when the item's batch is done with. */
  add(item: T): Promise<void> {
    this.#batch ??= this.#open()
    const { items, enough, done } = this.#batch
    items.push(item)
    if (items.length >= enough) this.flush()
    return done
  }

  /** Hands over what has gathered. */
  flush(): void {
    const batch = this.#batch
    if (!batch) return
    this.#batch = undefined
    batch.callOff()
    this.#lastMs = this.#options.clock.monotonic()
    void this.#options.take(batch.items).then(batch.settle)
  }

  #open(): Batch<T> {
    const { clock, timers, gatherMs, enough } = this.#options
    let settle = () => {}
    const done = new Promise<void>(resolve => {
      settle = resolve
    })
    const waitMs = this.#lastMs + gatherMs - clock.monotonic()
    if (waitMs <= 0) return { items: [], enough: 1, done, settle, callOff: () => {} }
    return { items: [], enough, done, settle, callOff: timers.after(waitMs, () => this.flush()) }
  }
}
