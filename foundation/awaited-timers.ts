import { systemTimers, type Timers } from './timers.ts'

/** As `systemTimers`, but a single timer keeps the process alive until it is due: somebody waits for what it does. */
export const awaitedTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  every: systemTimers.every,
}
