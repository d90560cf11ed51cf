import type { Clock } from '../../foundation/clock.ts'
import type { Timers } from '../../foundation/timers.ts'

/** How often it is looked whether somebody has waited long enough. */
const STEP_MS = 5
/** What one look counts at most. What is beyond that was this process's own doing. */
const COUNTED_MS = 2 * STEP_MS

/** One who waits for an answer. */
export interface Waiter {
  /** The answer is there, or nobody wants it any more. */
  isSettled: boolean
}

interface Queued extends Waiter {
  readonly dueAtMs: number
  readonly onLate: () => void
}

/**
 * A deadline that counts only time in which this process could have read the answer. A busy event loop, a CPU quota or
 * a cold start makes the process look late; the answer may lie in the socket by then, and whoever sent it was in time.
 *
 *     looks:     |  5  |  5  |     80: held up, counts 10      |  5  |   25 counted of 95 ms
 *
 * Each look that finds a deadline over lets the event loop read all sockets once more before it says so.
 */
export class Patience {
  readonly deadlineMs: number
  readonly #clock: Clock
  readonly #timers: Timers
  /** In the order of their deadlines, since all wait equally long; those before `#first` are gone. */
  #queue: Queued[] = []
  #first = 0
  #countedMs = 0
  #lookedAtMs = 0
  #stop: (() => void) | undefined

  constructor(deadlineMs: number, clock: Clock, timers: Timers) {
    this.deadlineMs = deadlineMs
    this.#clock = clock
    this.#timers = timers
  }

  /** @param onLate called once, unless the waiter has been settled before its deadline. */
  wait(onLate: () => void): Waiter {
    const nowMs = this.#clock.monotonic()
    if (!this.#stop) {
      this.#lookedAtMs = nowMs
      this.#stop = this.#timers.every(STEP_MS, () => this.#look())
    }
    const counted = this.#countedMs + Math.min(nowMs - this.#lookedAtMs, COUNTED_MS)
    const waiter = { isSettled: false, dueAtMs: counted + this.deadlineMs, onLate }
    this.#queue.push(waiter)
    return waiter
  }

  close(): void {
    this.#stop?.()
    this.#stop = undefined
    this.#queue = []
    this.#first = 0
  }

  #look(): void {
    const nowMs = this.#clock.monotonic()
    this.#countedMs += Math.min(nowMs - this.#lookedAtMs, COUNTED_MS)
    this.#lookedAtMs = nowMs
    const queue = this.#queue
    while (this.#first < queue.length && queue[this.#first]!.isSettled) this.#first++
    if (this.#first === queue.length) {
      this.close()
      return
    }
    if (queue[this.#first]!.dueAtMs <= this.#countedMs) setImmediate(() => this.#expire())
    if (this.#first <= queue.length / 2) return
    // Moving the rest to the front costs no more than what was passed over.
    this.#queue = queue.slice(this.#first)
    this.#first = 0
  }

  #expire(): void {
    for (; this.#first < this.#queue.length; this.#first++) {
      const waiter = this.#queue[this.#first]!
      if (waiter.dueAtMs > this.#countedMs) return
      if (waiter.isSettled) continue
      waiter.isSettled = true
      waiter.onLate()
    }
  }
}
