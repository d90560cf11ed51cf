/** Sets timers; handed in so that tests can hold them. A timer alone keeps no process alive. */
export interface Timers {
  /** Calls back once. Returns what calls it off. */
  after(ms: number, callback: () => void): () => void
  /** Calls back again and again until the returned function is called. */
  every(ms: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref()
    return () => clearTimeout(timer)
  },
  every(ms, callback) {
    const timer = setInterval(callback, ms).unref()
    return () => clearInterval(timer)
  },
}
