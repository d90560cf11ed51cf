/** The sliding window of one node: calls, failures and slow calls, over a time or over a number of calls. */
export interface Window {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Drops what is older than the window. */
  expire(nowMs: number): void
  add(failure: boolean, slow: boolean, nowMs: number): void
  clear(): void
}

/** Three numbers a bucket: calls, failures, slow. */
const WIDTH = 3

/** A ring of buckets; the oldest leaves as a whole, so the window is exact to one bucket. */
export class TimeWindow implements Window {
  calls = 0
  failures = 0
  slow = 0
  readonly #bucketMs: number
  readonly #buckets: number
  /** Made with the first call, so that a breaker without traffic costs little. */
  #counts: Uint32Array | undefined
  /** Number of the newest bucket since the clock's start. */
  #head = Number.NEGATIVE_INFINITY

  constructor(windowMs: number, buckets: number) {
    this.#bucketMs = windowMs / buckets
    this.#buckets = buckets
  }

  expire(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs)
    const counts = this.#counts
    if (counts === undefined || bucket <= this.#head) return
    const from = Math.max(this.#head + 1, bucket - this.#buckets + 1)
    for (let b = from; b <= bucket; b++) this.#empty(counts, (b % this.#buckets) * WIDTH)
    this.#head = bucket
  }

  add(failure: boolean, slow: boolean, nowMs: number): void {
    if (this.#counts === undefined) {
      this.#counts = new Uint32Array(this.#buckets * WIDTH)
      this.#head = Math.floor(nowMs / this.#bucketMs)
    }
    this.expire(nowMs)
    const counts = this.#counts
    const at = (this.#head % this.#buckets) * WIDTH
    counts[at]! += 1
    this.calls += 1
    if (failure) {
      counts[at + 1]! += 1
      this.failures += 1
    }
    if (slow) {
      counts[at + 2]! += 1
      this.slow += 1
    }
  }

  clear(): void {
    this.#counts = undefined
    this.calls = this.failures = this.slow = 0
  }

  #empty(counts: Uint32Array, at: number): void {
    this.calls -= counts[at]!
    this.failures -= counts[at + 1]!
    this.slow -= counts[at + 2]!
    counts[at] = counts[at + 1] = counts[at + 2] = 0
  }
}

const FAILED = 1
const SLOW = 2

/** The last calls, whenever they were. */
export class CountWindow implements Window {
  calls = 0
  failures = 0
  slow = 0
  readonly #size: number
  #outcomes: Uint8Array | undefined
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  expire(): void {}

  add(failure: boolean, slow: boolean): void {
    this.#outcomes ??= new Uint8Array(this.#size)
    if (this.calls === this.#size) {
      const oldest = this.#outcomes[this.#next]!
      if (oldest & FAILED) this.failures -= 1
      if (oldest & SLOW) this.slow -= 1
    } else this.calls += 1
    this.#outcomes[this.#next] = (failure ? FAILED : 0) | (slow ? SLOW : 0)
    if (failure) this.failures += 1
    if (slow) this.slow += 1
    this.#next = (this.#next + 1) % this.#size
  }

  clear(): void {
    this.#outcomes = undefined
    this.#next = 0
    this.calls = this.failures = this.slow = 0
  }
}
