import { systemTimers, type Timers } from '../../foundation/timers.ts'
import { LateShare } from './late-share.ts'

export interface AvailabilityOptions {
  /** Asks the server for a trivial write; rejects when it can't or takes longer than a request may wait. */
  readonly probe: () => Promise<unknown>
  readonly onChange: (available: boolean, reason: string) => void
  /** How long a call may take. Late calls are counted over one to two times this. */
  readonly deadlineMs: number
  readonly timers?: Timers
  readonly firstProbeMs?: number
  readonly maxProbeMs?: number
}

const FIRST_PROBE_MS = 25
const MAX_PROBE_MS = 500
/** Late calls are counted over at least this long. */
const LEAST_WINDOW_MS = 50

/**
 * A breaker around one server, for calls of one deadline. A late call opens nothing: it makes the breaker ask the
 * server itself. The breaker opens when that answer is late too, when half of the calls of late were late, or when the
 * server refuses. From then on calls fail at once, and only probes, off the request path, find out that it is back.
 *
 *     up --late--> up, probing --(in time)--> up
 *      │              └──(late, or half of the calls are)──┐
 *      └──refused──▶ down ◀────────────────────────────────┘
 *                     ├──(probe answered in time)──▶ up
 *                     └──(probe late or refused: wait twice as long, probe again)
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #timers: Timers
  readonly #share: LateShare
  #up: boolean
  #closed = false
  #probing = false
  #delayMs = 0
  #callOff = () => {}

  constructor(up: boolean, options: AvailabilityOptions) {
    this.#up = up
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#share = new LateShare(Math.max(options.deadlineMs, LEAST_WINDOW_MS))
  }

  get up(): boolean {
    return this.#up
  }

  /** A call was answered in time. */
  answered(nowMs: number): void {
    this.#share.note(false, nowMs)
  }

  /** A call was late. */
  late(reason: string, nowMs: number): void {
    this.#share.note(true, nowMs)
    if (!this.#up || this.#closed) return
    if (this.#share.isHigh) this.fail(reason)
    else this.#probe(reason)
  }

  /** The server refused a call, or can't be talked to. */
  fail(reason: string): void {
    if (!this.#up || this.#closed) return
    this.#up = false
    this.#delayMs = this.#options.firstProbeMs ?? FIRST_PROBE_MS
    this.#options.onChange(false, reason)
    this.#schedule()
  }

  /** Something suggests that the server is back (a new connection): probe now instead of waiting. */
  hint(): void {
    if (this.#up || this.#closed) return
    this.#callOff()
    this.#probe('')
  }

  close(): void {
    this.#closed = true
    this.#callOff()
  }

  #schedule(): void {
    this.#callOff()
    this.#callOff = this.#timers.after(this.#delayMs, () => this.#probe(''))
  }

  #probe(reason: string): void {
    if (this.#probing) return
    this.#probing = true
    this.#options.probe().then(
      () => this.#settle(true, reason),
      () => this.#settle(false, reason),
    )
  }

  #settle(answered: boolean, reason: string): void {
    this.#probing = false
    if (this.#closed) return
    if (this.#up) {
      if (!answered) this.fail(reason)
    } else if (answered) {
      this.#up = true
      this.#share.clear()
      this.#options.onChange(true, 'answers again')
    } else {
      this.#delayMs = Math.min(Math.max(this.#delayMs, 1) * 2, this.#options.maxProbeMs ?? MAX_PROBE_MS)
      this.#schedule()
    }
  }
}
