import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import type { Store } from '../../sdk/store.ts'
import { MemoryStore } from './memory.ts'
import { RedisStore } from './redis.ts'

/** What the store needs of the settings. */
export interface StoreSettings {
  /** Several mean Redis Cluster, none means memory. */
  readonly redisUrl: readonly string[] | undefined
  readonly redisDeadlineMs: number
}

/** Makes the store that the settings ask for. It connects in the background; see `Store.ready`. */
export function createStore(
  settings: StoreSettings,
  parts: { clock: Clock; log: Logger; metrics: Metrics },
): Store {
  const { redisUrl, redisDeadlineMs } = settings
  if (redisUrl === undefined || redisUrl.length === 0) return new MemoryStore(parts)
  return new RedisStore({ urls: redisUrl, deadlineMs: redisDeadlineMs, ...parts })
}
