import { type ErrorCode, SluiceError } from '../../foundation/errors.ts'
import type { Store } from '../../sdk/store.ts'
import { Problem } from '../http/problem.ts'

const AWAY: readonly ErrorCode[] = [
  'SLUICE_STORE_UNAVAILABLE',
  'SLUICE_STORE_TIMEOUT',
  'SLUICE_ADMIN_UNREACHABLE',
]

/**
 * Runs work with what the plugin servers share in Redis.
 *
 * @param store undefined without SLUICE_REDIS_URL
 * @throws Problem SLUICE_MANAGER_UNAVAILABLE, and SLUICE_MANAGER_INVALID with a pointer for what was asked wrong.
 */
export async function withState<T>(store: Store | undefined, work: (store: Store) => Promise<T>): Promise<T> {
  if (!store)
    throw new Problem(
      'SLUICE_MANAGER_UNAVAILABLE',
      'SLUICE_REDIS_URL is not set: without it limits, breakers and stored answers live in the memory of a plugin server alone',
    )
  try {
    return await work(store)
  } catch (error) {
    if (!(error instanceof SluiceError) || error instanceof Problem) throw error
    if (AWAY.includes(error.code))
      throw new Problem('SLUICE_MANAGER_UNAVAILABLE', error.message, { cause: error })
    const { field } = error.details
    if (error.code !== 'SLUICE_CLI_USAGE' || typeof field !== 'string') throw error
    throw new Problem('SLUICE_MANAGER_INVALID', error.message, {
      faults: [{ pointer: `/${field}`, code: 'invalid', detail: error.message }],
    })
  }
}
