import { setTimeout as pause } from 'node:timers/promises'

/** Far longer than anything takes on a busy machine. */
const PATIENCE_MS = 60_000

/**
 * Waits until something holds.
 *
 * @param what names it in the error
 * @throws Error when it does not hold after a minute.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`still not so after a minute: ${what}`)
    await pause(5)
  }
}
