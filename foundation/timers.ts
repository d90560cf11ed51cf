/** Sets timers; handed in so that tests can hold them. */
export interface Timers {
  /**
   * Calls back once. Returns what calls it off. Until then the process stays alive, since somebody waits: an event
   * that is to be written, say.
   */
  after(ms: number, callback: () => void): () => void
  /** Calls back again and again until the returned function is called; keeps no process alive. */
  every(ms: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  every(ms, callback) {
    const timer = setInterval(callback, ms).unref()
    return () => clearInterval(timer)
  },
}
