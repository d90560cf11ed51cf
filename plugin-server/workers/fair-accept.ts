/** Naps a second: far more than Kong opens connections to keep, far fewer than a storm of rejections brings. */
const NAPS_PER_SECOND = 100
/** Long enough for another worker to wake up and accept. */
const NAP_MS = 0.05

export interface FairAcceptParts {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Holds the process for so long. */
  readonly sleep: (ms: number) => void
}

/**
 * Leaves the next connection of a burst to the other workers. Node accepts all that wait at once, so a burst that Kong
 * then keeps would fall on the worker that happens to wake first. libuv naps behind each connection that it accepts
 * by TCP for the same reason, but not for unix sockets. In a storm of connections, each of which lives for one event
 * only, there is no need to, and no time.
 *
 * @returns to be called behind each connection that was accepted.
 */
export function createFairAccept({ now, sleep }: FairAcceptParts): () => void {
  let sinceMs = Number.NEGATIVE_INFINITY
  let naps = 0
  return () => {
    const nowMs = now()
    if (nowMs - sinceMs >= 1_000) {
      sinceMs = nowMs
      naps = 0
    }
    if (naps >= NAPS_PER_SECOND) return
    naps++
    sleep(NAP_MS)
  }
}
