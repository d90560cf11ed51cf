/**
 * Deadlines of many short events, with one timer for each distinct duration: events of one duration end in the order
 * in which they began, so a linked list holds them, and starting or ending one costs no timer.
 */
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
  #timer: NodeJS.Timeout | undefined
  readonly #durationMs: number
  readonly #now: () => number

  constructor(durationMs: number, now: () => number) {
    this.#durationMs = durationMs
    this.#now = now
  }

  add(owner: Expiring): Deadline {
    const entry: Entry = {
      owner,
      dueMs: this.#now() + this.#durationMs,
      previous: this.#last,
      next: undefined,
    }
    if (this.#last) this.#last.next = entry
    else this.#first = entry
    this.#last = entry
    if (!this.#timer) this.#arm(this.#durationMs)
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
    this.#timer = setTimeout(this.#expire, Math.max(1, afterMs))
    this.#timer.unref()
  }

  readonly #expire = () => {
    this.#timer = undefined
    const now = this.#now()
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
  readonly #now: () => number

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Tells `owner` when `durationMs` have passed, unless it is cancelled before. */
  start(durationMs: number, owner: Expiring): Deadline {
    let line = this.#lines.get(durationMs)
    if (!line) {
      line = new Line(durationMs, this.#now)
      this.#lines.set(durationMs, line)
    }
    return line.add(owner)
  }
}
