/** Fewer late calls than this are chance. */
const FEWEST = 3
const SHARE = 0.5

/**
 * How many of the calls that ended lately were late. Pure: the time comes in with every call.
 *
 * "Lately" is between one and two windows: counts of the present window and of the one before.
 */
export class LateShare {
  readonly #windowMs: number
  #startedAtMs = Number.NEGATIVE_INFINITY
  #calls = 0
  #late = 0
  #callsBefore = 0
  #lateBefore = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** At least three calls were late, and at least half of all. */
  get isHigh(): boolean {
    const late = this.#late + this.#lateBefore
    return late >= FEWEST && late >= SHARE * (this.#calls + this.#callsBefore)
  }

  note(isLate: boolean, nowMs: number): void {
    const age = nowMs - this.#startedAtMs
    if (age >= this.#windowMs) {
      const isNext = age < 2 * this.#windowMs
      this.#callsBefore = isNext ? this.#calls : 0
      this.#lateBefore = isNext ? this.#late : 0
      this.#calls = 0
      this.#late = 0
      this.#startedAtMs = nowMs
    }
    this.#calls++
    if (isLate) this.#late++
  }

  clear(): void {
    this.#calls = this.#late = this.#callsBefore = this.#lateBefore = 0
  }
}
