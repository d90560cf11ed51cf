import { InFlight } from './in-flight.ts'

/**
 * Adaptive concurrency for one upstream service, and who is shed first when it is reached. Pure: the time comes in
 * with every call, and nothing runs by itself.
 *
 *     enter ──admitted: a slot──▶ … the request … ──▶ leave(slot, how long the upstream took)
 *        └───shed: 503
 */

export interface Bounds {
  readonly initialLimit: number
  readonly minLimit: number
  readonly maxLimit: number
  /** How much slower than usual answers may be before the limit shrinks. */
  readonly tolerance: number
}

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

export interface Overload {
  enter(entrant: Entrant, nowMs: number): Admission
  /** Gives the slot back; false when it had expired, or was never given. */
  leave(slot: number, answer: UpstreamAnswer, nowMs: number): boolean
  /** Takes new bounds over; what was learnt stays, where it lies within them. */
  rebound(bounds: Bounds): void
  readonly limit: number
  readonly inFlight: number
  /** Slots that expired. */
  readonly lost: number
}

interface Slot {
  readonly priority: number
  readonly enteredAtMs: number
  readonly expiresAtMs: number
}

const PRIORITIES = 10
/** Time in which what a priority needs is forgotten to a third. */
const MEMORY_MS = 5000
/** Answers are averaged over this long, and over this many, before anything is learnt from them. */
const SAMPLE_MS = 250
const SAMPLE_ANSWERS = 10
/** What is left of the limit when the upstream refuses. */
const BACK_OFF = 0.8
/** More than this share of a sample, and two, are overload; fewer refusals may be one resource's own doing. */
const REFUSED_SHARE = 0.05
const REFUSED_BY_CHANCE = 2
/** Samples over which the usual time is averaged; from Netflix' concurrency-limits. */
const LONG_WINDOW = 600
/**
 * At the limit the time holds our own queue: taken for usual, it would let the limit drift up for ever. So it counts
 * ten times less there; not nothing, since an upstream may have become slower for good.
 */
const LONG_WINDOW_AT_LIMIT = 6000

export function createOverload(options: OverloadOptions = {}): Overload {
  const { slotMs = 60_000, smoothing = 0.2, queue = 4 } = options
  let { initialLimit = 20, minLimit = 4, maxLimit = 1000, tolerance = 1.5 } = options
  const slots = new Map<number, Slot>()
  const subjects = new InFlight()
  const needs = Array.from({ length: PRIORITIES }, () => ({ inFlight: 0, peak: 0, atMs: 0 }))
  let limit = initialLimit
  let longMs: number | undefined
  let samples = 0
  let sample = newSample(0)
  /** Refusals of what entered earlier were answered by the last backing off. */
  let backedOffAtMs = Number.NEGATIVE_INFINITY
  let nextSlot = 1
  let lost = 0

  /** The most that a priority has lately had in flight. */
  function peakOf(priority: number, nowMs: number): number {
    const need = needs[priority]!
    const faded = need.peak * Math.exp((need.atMs - nowMs) / MEMORY_MS)
    need.peak = Math.max(need.inFlight, faded)
    need.atMs = nowMs
    return need.peak
  }

  /**
   * Room that is kept free for those above: what they have lately needed, and the square root of it for chance (the
   * spread of a Poisson arrival).
   */
  function reservedAbove(priority: number, nowMs: number): number {
    let reserved = 0
    for (let above = priority + 1; above < PRIORITIES; above++) {
      const peak = peakOf(above, nowMs)
      if (peak < 0.5) continue
      reserved += Math.max(0, peak + Math.sqrt(peak) - needs[above]!.inFlight)
    }
    return reserved
  }

  function free(id: number, slot: Slot): void {
    slots.delete(id)
    needs[slot.priority]!.inFlight--
  }

  /** All slots live equally long, so the oldest expire first. */
  function expire(nowMs: number): void {
    subjects.expire(nowMs)
    for (const [id, slot] of slots) {
      if (slot.expiresAtMs > nowMs) return
      free(id, slot)
      lost++
    }
  }

  function note(answer: number | 'refused', { enteredAtMs }: Slot, inFlight: number, nowMs: number): void {
    if (sample.answers + sample.refusals === 0) sample = newSample(nowMs)
    sample.inFlight = Math.max(sample.inFlight, inFlight)
    if (answer === 'refused') {
      if (enteredAtMs >= backedOffAtMs) noteRefusal(nowMs)
      return
    }
    sample.sumMs += answer
    sample.answers++
    if (sample.answers < SAMPLE_ANSWERS || nowMs - sample.fromMs < SAMPLE_MS) return
    learn(Math.max(sample.sumMs / sample.answers, 0.01), sample.inFlight)
    sample = newSample(nowMs)
  }

  /** At once, and once for all that was in flight, as TCP does with losses: refusals come faster than samples end. */
  function noteRefusal(nowMs: number): void {
    sample.refusals++
    const { answers, refusals } = sample
    if (refusals <= REFUSED_BY_CHANCE + REFUSED_SHARE * (answers + refusals)) return
    limit = Math.max(minLimit, limit * BACK_OFF)
    backedOffAtMs = nowMs
    sample = newSample(nowMs)
  }

  /**
   * Gradient2 of Netflix' concurrency-limits: limit ← (1−s)·limit + s·(limit·gradient + queue), where the gradient is
   * tolerance · usual time / this time, between ½ and 1. Below half use the limit does not grow: nothing was learnt.
   */
  function learn(shortMs: number, mostInFlight: number): void {
    samples++
    const isAtLimit = mostInFlight >= Math.floor(limit)
    const window = isAtLimit && samples > 10 ? LONG_WINDOW_AT_LIMIT : Math.min(samples, LONG_WINDOW)
    longMs = longMs === undefined ? shortMs : longMs + (2 / (window + 1)) * (shortMs - longMs)
    // After a long overload the usual time is too high; it comes down faster than by averaging.
    if (longMs / shortMs > 2) longMs *= 0.95
    if (mostInFlight < limit / 2) return
    const gradient = Math.max(0.5, Math.min(1, (tolerance * longMs) / shortMs))
    const wanted = limit * gradient + queue
    limit = Math.max(minLimit, Math.min(maxLimit, (1 - smoothing) * limit + smoothing * wanted))
  }

  return {
    get limit() {
      return Math.floor(limit)
    },
    get inFlight() {
      return slots.size
    },
    get lost() {
      return lost
    },
    rebound(bounds) {
      ;({ initialLimit, minLimit, maxLimit, tolerance } = bounds)
      if (limit < minLimit || limit > maxLimit) limit = initialLimit
    },
    enter({ priority: wished, subject, concurrency, lifeMs = slotMs }, nowMs) {
      expire(nowMs)
      const priority = Math.max(0, Math.min(PRIORITIES - 1, Math.floor(wished) || 0))
      const own = subject === undefined ? 0 : subjects.countOf(subject)
      if (concurrency !== undefined && own >= concurrency)
        return { outcome: 'shed', reason: 'concurrency', retryAfterSeconds: 1 }
      if (slots.size + reservedAbove(priority, nowMs) >= Math.floor(limit))
        return { outcome: 'shed', reason: 'overload', retryAfterSeconds: 1 }
      const slot = nextSlot++
      slots.set(slot, { priority, enteredAtMs: nowMs, expiresAtMs: nowMs + slotMs })
      needs[priority]!.inFlight++
      peakOf(priority, nowMs)
      if (subject !== undefined) subjects.enter(slot, subject, lifeMs, nowMs)
      return { outcome: 'admitted', slot }
    },
    leave(id, answer, nowMs) {
      expire(nowMs)
      subjects.leave(id)
      const slot = slots.get(id)
      if (!slot) return false
      const inFlight = slots.size
      free(id, slot)
      if (answer === 'refused' || (answer !== undefined && Number.isFinite(answer) && answer >= 0))
        note(answer, slot, inFlight, nowMs)
      return true
    },
  }
}

const newSample = (fromMs: number) => ({ fromMs, sumMs: 0, answers: 0, refusals: 0, inFlight: 0 })
