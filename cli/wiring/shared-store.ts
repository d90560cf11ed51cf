import { systemClock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import { createStore } from '../../plugin-server/stores/create.ts'
import type { Store } from '../../sdk/store.ts'

/** An operator can wait longer than a request. */
const DEADLINE_MS = 5000

/**
 * Opens the state that all nodes share, for one command.
 *
 * @param what is kept there, for the error: limits, breakers.
 * @throws SluiceError SLUICE_STORE_UNAVAILABLE without SLUICE_REDIS_URL, or when Redis does not answer.
 */
export async function withSharedStore<Result>(
  what: string,
  act: (store: Store) => Promise<Result>,
): Promise<Result> {
  const settings = readSettings()
  if (settings.redisUrl === undefined)
    throw new SluiceError(
      'SLUICE_STORE_UNAVAILABLE',
      `SLUICE_REDIS_URL is not set: without it the ${what} live in the memory of the plugin server alone`,
    )
  const store = createStore(
    { ...settings, redisDeadlineMs: DEADLINE_MS, redisStrictDeadlineMs: DEADLINE_MS },
    { clock: systemClock, log: createLogger('silent', 2), metrics: createMetrics() },
  )
  try {
    if (!(await store.ready(DEADLINE_MS)))
      throw new SluiceError(
        'SLUICE_STORE_UNAVAILABLE',
        `no connection to Redis within ${DEADLINE_MS} ms${store.problem === undefined ? '' : `: ${store.problem}`}`,
      )
    return await act(store)
  } finally {
    await store.close()
  }
}
