/** Where time comes from, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since the epoch; may step when the machine's clock is set. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
