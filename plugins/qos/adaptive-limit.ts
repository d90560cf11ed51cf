/**
 * How many requests a service may have in flight, learnt from how long it takes. Pure: the time comes in with every
 * call.
 *
 * Gradient2 of Netflix' concurrency-limits: limit ← (1−s)·limit + s·(limit·gradient + queue), where the gradient is
 * tolerance · usual time / present time, between ½ and 1. Refusals shrink the limit at once, as losses do in TCP.
 */

export interface Bounds {
  readonly initialLimit: number
  readonly minLimit: number
  readonly maxLimit: number
  /** How much slower than usual answers may be before the limit shrinks. */
  readonly tolerance: number
}

export interface LearningRate {
  /** How much of a new value is taken at once. */
  readonly smoothing: number
  /** How many requests may queue in the upstream: what the limit grows by. */
  readonly queue: number
}

/** What an answer of the upstream says. */
export interface Observation {
  /** How long it took, milliseconds; `refused`: the upstream said that it has too much to do. */
  readonly answer: number | 'refused'
  readonly enteredAtMs: number
  /** Requests in flight when the answer came, this one included. */
  readonly inFlight: number
}

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

const newSample = (fromMs: number) => ({ fromMs, sumMs: 0, answers: 0, refusals: 0, inFlight: 0 })

export class AdaptiveLimit {
  readonly #rate: LearningRate
  #bounds: Bounds
  #limit: number
  /** The usual time. */
  #longMs: number | undefined
  #samples = 0
  #sample = newSample(0)
  /** Refusals of what entered earlier were answered by the last backing off. */
  #backedOffAtMs = Number.NEGATIVE_INFINITY

  constructor(bounds: Bounds, rate: LearningRate) {
    this.#bounds = bounds
    this.#limit = bounds.initialLimit
    this.#rate = rate
  }

  get value(): number {
    return Math.floor(this.#limit)
  }

  /** What was learnt stays, where it lies within the new bounds. */
  rebound(bounds: Bounds): void {
    this.#bounds = bounds
    if (this.#limit < bounds.minLimit || this.#limit > bounds.maxLimit) this.#limit = bounds.initialLimit
  }

  observe({ answer, enteredAtMs, inFlight }: Observation, nowMs: number): void {
    if (this.#sample.answers + this.#sample.refusals === 0) this.#sample = newSample(nowMs)
    const sample = this.#sample
    sample.inFlight = Math.max(sample.inFlight, inFlight)
    if (answer === 'refused') {
      if (enteredAtMs >= this.#backedOffAtMs) this.#noteRefusal(nowMs)
      return
    }
    sample.sumMs += answer
    sample.answers++
    if (sample.answers < SAMPLE_ANSWERS || nowMs - sample.fromMs < SAMPLE_MS) return
    this.#learn(Math.max(sample.sumMs / sample.answers, 0.01), sample.inFlight)
    this.#sample = newSample(nowMs)
  }

  /** At once, and once for all that was in flight, as TCP does with losses: refusals come faster than samples end. */
  #noteRefusal(nowMs: number): void {
    this.#sample.refusals++
    const { answers, refusals } = this.#sample
    if (refusals <= REFUSED_BY_CHANCE + REFUSED_SHARE * (answers + refusals)) return
    this.#limit = Math.max(this.#bounds.minLimit, this.#limit * BACK_OFF)
    this.#backedOffAtMs = nowMs
    this.#sample = newSample(nowMs)
  }

  /** Below half use the limit does not grow: nothing was learnt. */
  #learn(shortMs: number, mostInFlight: number): void {
    this.#samples++
    const longMs = this.#follow(shortMs, mostInFlight >= this.value)
    const limit = this.#limit
    if (mostInFlight < limit / 2) return
    const { minLimit, maxLimit, tolerance } = this.#bounds
    const { smoothing, queue } = this.#rate
    const gradient = Math.max(0.5, Math.min(1, (tolerance * longMs) / shortMs))
    const wanted = limit * gradient + queue
    this.#limit = Math.max(minLimit, Math.min(maxLimit, (1 - smoothing) * limit + smoothing * wanted))
  }

  /** Averages the usual time. */
  #follow(shortMs: number, isAtLimit: boolean): number {
    const samples = this.#samples
    const window = isAtLimit && samples > 10 ? LONG_WINDOW_AT_LIMIT : Math.min(samples, LONG_WINDOW)
    const before = this.#longMs ?? shortMs
    let longMs = before + (2 / (window + 1)) * (shortMs - before)
    // After a long overload the usual time is too high; it comes down faster than by averaging.
    if (longMs / shortMs > 2) longMs *= 0.95
    this.#longMs = longMs
    return longMs
  }
}
