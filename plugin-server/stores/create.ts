import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import type { Timers } from '../../foundation/timers.ts'
import type { Store } from '../../sdk/store.ts'
import { MemoryStore } from './memory.ts'
import { RedisStore } from './redis.ts'

/** What the store needs of the settings. */
export interface StoreSettings {
  /** Several mean Redis Cluster, none means memory. */
  readonly redisUrl: readonly string[] | undefined
  readonly redisDeadlineMs: number
  readonly redisStrictDeadlineMs?: number
  /** How many plugin server processes share Redis, as far as is known ahead. */
  readonly nodes?: number
}

export interface StoreParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Name of this node, for the list of peers; one that only looks at the state has none. */
  readonly node?: string
  readonly timers?: Timers
}

/** Makes the store that the settings ask for. It connects in the background; see `Store.ready`. */
export function createStore(settings: StoreSettings, parts: StoreParts): Store {
  const { redisUrl, redisDeadlineMs, redisStrictDeadlineMs, nodes } = settings
  if (redisUrl === undefined || redisUrl.length === 0) return new MemoryStore(parts)
  return new RedisStore({
    urls: redisUrl,
    deadlineMs: redisDeadlineMs,
    ...(redisStrictDeadlineMs !== undefined && { patientDeadlineMs: redisStrictDeadlineMs }),
    ...(nodes !== undefined && { expectedPeers: nodes }),
    ...parts,
  })
}
