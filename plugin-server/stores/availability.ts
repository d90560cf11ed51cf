/** Sets timers; handed in so that tests can hold them. */
export interface Timers {
  set(callback: () => void, delayMs: number): unknown
  clear(timer: unknown): void
}

export const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clear: timer => clearTimeout(timer as NodeJS.Timeout),
}

export interface AvailabilityOptions {
  /** Asks the server for a trivial write; rejects when it can't or takes longer than a request may wait. */
  readonly probe: () => Promise<unknown>
  readonly onChange: (available: boolean, reason: string) => void
  readonly timers?: Timers
  readonly firstProbeMs?: number
  readonly maxProbeMs?: number
}

/**
 * A breaker around one server. The first call that is late or refused opens it; from then on calls fail at once, and
 * only probes, off the request path, find out that the server is back.
 *
 *     up --fail--> down --(probe answered in time)--> up
 *                   └──(probe late or refused: wait twice as long, probe again)
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #timers: Timers
  #up: boolean
  #closed = false
  #probing = false
  #delayMs = 0
  #timer: unknown

  constructor(up: boolean, options: AvailabilityOptions) {
    this.#up = up
    this.#options = options
    this.#timers = options.timers ?? systemTimers
  }

  get up(): boolean {
    return this.#up
  }

  /** A call was late or refused. */
  fail(reason: string): void {
    if (!this.#up || this.#closed) return
    this.#up = false
    this.#delayMs = this.#options.firstProbeMs ?? 25
    this.#options.onChange(false, reason)
    this.#schedule()
  }

  /** Something suggests that the server is back (a new connection): probe now instead of waiting. */
  hint(): void {
    if (this.#up || this.#closed) return
    this.#timers.clear(this.#timer)
    this.#probe()
  }

  close(): void {
    this.#closed = true
    this.#timers.clear(this.#timer)
  }

  #schedule(): void {
    this.#timers.clear(this.#timer)
    this.#timer = this.#timers.set(() => this.#probe(), this.#delayMs)
  }

  #probe(): void {
    if (this.#probing) return
    this.#probing = true
    this.#options.probe().then(
      () => this.#settle(true),
      () => this.#settle(false),
    )
  }

  #settle(answered: boolean): void {
    this.#probing = false
    if (this.#closed || this.#up) return
    if (answered) {
      this.#up = true
      this.#options.onChange(true, 'answers again')
    } else {
      this.#delayMs = Math.min(Math.max(this.#delayMs, 1) * 2, this.#options.maxProbeMs ?? 500)
      this.#schedule()
    }
  }
}
