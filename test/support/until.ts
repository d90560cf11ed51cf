import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/** Generous: what holds at once on a quiet machine may take its time on a busy one. */
const WAIT_MS = 60_000

type Condition = () => boolean | Promise<boolean>

interface Patience {
  readonly waitMs?: number
  readonly everyMs?: number
}

/** Waits until the condition holds; one that throws does not hold yet. The failure names it by its source text. */
export function until(holds: Condition, patience?: Patience): Promise<void>
/** @param what names the condition in the failure */
export function until(what: string, holds: Condition, patience?: Patience): Promise<void>
export function until(
  first: string | Condition,
  second?: Condition | Patience,
  third?: Patience,
): Promise<void> {
  const holds = typeof second === 'function' ? second : first
  const patience = typeof second === 'function' ? third : second
  if (typeof holds === 'string') throw new TypeError('until needs a condition')
  return wait(String(first), holds, patience)
}

async function wait(what: string, holds: Condition, { waitMs = WAIT_MS, everyMs = 10 }: Patience = {}) {
  const deadline = performance.now() + waitMs
  let reason = ''
  for (;;) {
    try {
      if (await holds()) return
      reason = ''
    } catch (error) {
      reason = ` (${error})`
    }
    if (performance.now() > deadline) assert.fail(`not within ${waitMs / 1_000} s: ${what}${reason}`)
    await sleep(everyMs)
  }
}
