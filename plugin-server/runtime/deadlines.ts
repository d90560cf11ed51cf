/**
 * Deadlines of many short events, with one timer for each distinct duration: events of one duration end in the order
 * in which they began, so a linked list holds them, and starting or ending one costs no timer.
 */
import type { Clock } from '../../foundation/clock.ts'
import type { Timers } from '../../foundation/timers.ts'

export interface Expiring {
  expired(): void
}

interface Entry {
  owner: Expiring | undefined
  dueMs: number
  previous: Entry | undefined
  next: Entry | undefined
}

export interface Deadline {
  cancel(): void
}

class Line {
  #first: Entry | undefined
  #last: Entry | undefined
  #disarm: (() => void) | undefined
  readonly #durationMs: number
  readonly #clock: Clock
  readonly #timers: Timers

  constructor(durationMs: number, clock: Clock, timers: Timers) {
    this.#durationMs = durationMs
    this.#clock = clock
    this.#timers = timers
  }

  add(owner: Expiring): Deadline {
    const entry: Entry = {
      owner,
      dueMs: this.#clock.monotonic() + this.#durationMs,
      previous: this.#last,
      next: undefined,
    }
    if (this.#last) this.#last.next = entry
    else this.#first = entry
    this.#last = entry
    if (!this.#disarm) this.#arm(this.#durationMs)
    return { cancel: () => this.#remove(entry) }
  }

  #remove(entry: Entry): void {
    if (!entry.owner) return
    entry.owner = undefined
    if (entry.previous) entry.previous.next = entry.next
    else this.#first = entry.next
    if (entry.next) entry.next.previous = entry.previous
    else this.#last = entry.previous
    // An old entry would keep all that follow it until the whole heap is collected.
    entry.previous = undefined
    entry.next = undefined
  }

  #arm(afterMs: number): void {
    this.#disarm = this.#timers.after(Math.max(1, afterMs), this.#expire)
  }

  close(): void {
    this.#disarm?.()
  }

  readonly #expire = () => {
    this.#disarm = undefined
    const now = this.#clock.monotonic()
    while (this.#first && this.#first.dueMs <= now) {
      const { owner } = this.#first
      this.#remove(this.#first)
      owner?.expired()
    }
    if (this.#first) this.#arm(this.#first.dueMs - now)
  }
}

export class Deadlines {
  readonly #lines = new Map<number, Line>()
  readonly #clock: Clock
  readonly #timers: Timers

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  /** Tells `owner` when `durationMs` have passed, unless it is cancelled before. */
  start(durationMs: number, owner: Expiring): Deadline {
    let line = this.#lines.get(durationMs)
    if (!line) {
      line = new Line(durationMs, this.#clock, this.#timers)
      this.#lines.set(durationMs, line)
    }
    return line.add(owner)
  }
  /** Ends the timers, which would keep the process alive until the longest deadline; no owner is told any more. */
  close(): void {
    for (const line of this.#lines.values()) line.close()
  }
}
