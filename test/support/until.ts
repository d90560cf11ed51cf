import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/** Generous: a condition that holds on a quiet machine at once may take its time on a busy one. */
const WAIT_MS = 60_000

/**
 * Waits until the condition holds; one that throws does not hold yet.
 *
 * @param what names it in the failure
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { waitMs = WAIT_MS, everyMs = 20 } = {},
): Promise<void> {
  const deadline = performance.now() + waitMs
  let reason: unknown
  for (;;) {
    try {
      if (await holds()) return
      reason = undefined
    } catch (error) {
      reason = error
    }
    if (performance.now() > deadline)
      assert.fail(`${what}: not within ${waitMs / 1_000} s${reason === undefined ? '' : ` (${reason})`}`)
    await sleep(everyMs)
  }
}
