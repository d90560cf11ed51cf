/**
 * Adaptive concurrency for one upstream service, and who is shed first when it is reached. Pure: the time comes in
 * with every call, and nothing runs by itself.
 *
 *     enter ──admitted: a slot──▶ … the request … ──▶ leave(slot, how long the upstream took)
 *        └───shed: 503
 */
import { AdaptiveLimit, type Bounds } from './adaptive-limit.ts'
import { InFlight } from './in-flight.ts'
import { Reserves } from './reserves.ts'

export interface OverloadOptions extends Partial<Bounds> {
  /** How much of a new value is taken at once. */
  readonly smoothing?: number
  /** How many requests may queue in the upstream: what the limit grows by. */
  readonly queue?: number
  /**
   * A slot that nobody gave back by then no longer counts as load, milliseconds: Kong can lose a log event, and a
   * stream that has been open for so long is no work that waits.
   */
  readonly slotMs?: number
}

export interface Entrant {
  /** 0 to 9; the lowest are shed first. */
  readonly priority: number
  /** Whose concurrency is bounded by `concurrency`, such as a consumer. */
  readonly subject?: string
  /** How many requests the subject may have in flight. */
  readonly concurrency?: number | undefined
  /** How long the request can be in flight, for `concurrency`; `slotMs` where it is left out. */
  readonly lifeMs?: number
}

export type Admission =
  | { readonly outcome: 'admitted'; readonly slot: number }
  | {
      readonly outcome: 'shed'
      readonly reason: 'overload' | 'concurrency'
      readonly retryAfterSeconds: number
    }

/**
 * How long the upstream took, milliseconds; `refused` when it has too much to do by its own account (503, 429);
 * undefined when it was not reached, which teaches nothing.
 */
export type UpstreamAnswer = number | 'refused' | undefined

interface Slot {
  readonly priority: number
  readonly enteredAtMs: number
  readonly expiresAtMs: number
}

const PRIORITIES = 10

export class Overload {
  readonly #slotMs: number
  readonly #limit: AdaptiveLimit
  readonly #reserves = new Reserves(PRIORITIES)
  readonly #subjects = new InFlight()
  /** All live equally long, so the oldest expire first. */
  readonly #slots = new Map<number, Slot>()
  #nextSlot = 1
  #lost = 0

  constructor(options: OverloadOptions = {}) {
    const { slotMs = 60_000, smoothing = 0.2, queue = 4 } = options
    const { initialLimit = 20, minLimit = 4, maxLimit = 1000, tolerance = 1.5 } = options
    this.#slotMs = slotMs
    this.#limit = new AdaptiveLimit({ initialLimit, minLimit, maxLimit, tolerance }, { smoothing, queue })
  }

  get limit(): number {
    return this.#limit.value
  }

  get inFlight(): number {
    return this.#slots.size
  }

  /** Slots that expired. */
  get lost(): number {
    return this.#lost
  }

  /** Takes new bounds over; what was learnt stays, where it lies within them. */
  rebound(bounds: Bounds): void {
    this.#limit.rebound(bounds)
  }

  /** A priority is admitted while all in flight and the room kept free for those above stay below the limit. */
  enter(entrant: Entrant, nowMs: number): Admission {
    this.#expire(nowMs)
    const { subject, concurrency, lifeMs = this.#slotMs } = entrant
    const priority = Math.max(0, Math.min(PRIORITIES - 1, Math.floor(entrant.priority) || 0))
    const own = subject === undefined ? 0 : this.#subjects.countOf(subject)
    if (concurrency !== undefined && own >= concurrency)
      return { outcome: 'shed', reason: 'concurrency', retryAfterSeconds: 1 }
    if (this.inFlight + this.#reserves.above(priority, nowMs) >= this.limit)
      return { outcome: 'shed', reason: 'overload', retryAfterSeconds: 1 }
    const slot = this.#nextSlot++
    this.#slots.set(slot, { priority, enteredAtMs: nowMs, expiresAtMs: nowMs + this.#slotMs })
    this.#reserves.enter(priority, nowMs)
    if (subject !== undefined) this.#subjects.enter(slot, subject, lifeMs, nowMs)
    return { outcome: 'admitted', slot }
  }

  /** Gives the slot back; false when it had expired, or was never given. */
  leave(id: number, answer: UpstreamAnswer, nowMs: number): boolean {
    this.#expire(nowMs)
    this.#subjects.leave(id)
    const slot = this.#slots.get(id)
    if (!slot) return false
    const { inFlight } = this
    this.#free(id, slot)
    if (answer === 'refused' || (answer !== undefined && Number.isFinite(answer) && answer >= 0))
      this.#limit.observe({ answer, enteredAtMs: slot.enteredAtMs, inFlight }, nowMs)
    return true
  }

  #free(id: number, { priority }: Slot): void {
    this.#slots.delete(id)
    this.#reserves.leave(priority)
  }

  #expire(nowMs: number): void {
    this.#subjects.expire(nowMs)
    for (const [id, slot] of this.#slots) {
      if (slot.expiresAtMs > nowMs) return
      this.#free(id, slot)
      this.#lost++
    }
  }
}
