import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { Timers } from '../../foundation/timers.ts'
import { createStore } from '../../plugin-server/stores/create.ts'
import type { Store } from '../../sdk/store.ts'
import { Database } from '../database.ts'
import { EventFeed } from './event-feed.ts'
import { FiguresRing } from './figures-ring.ts'
import { StoredEvents } from './stored-events.ts'

/** An operator can wait longer than a request. */
const STORE_DEADLINE_MS = 3_000

export interface LiveOptions {
  readonly settings: Settings
  readonly database: Database
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/** What the gateway does now: its events, limits, breakers and figures. */
export class Live {
  readonly feed: EventFeed
  readonly figures: FiguresRing
  /** What the plugin servers share; undefined without SLUICE_REDIS_URL. */
  readonly store: Store | undefined
  /** Where the events are kept; undefined without SLUICE_POSTGRES_URL. */
  readonly events: Database | undefined
  readonly #ownDatabase: Database | undefined

  constructor({ settings, database, clock, timers, log }: LiveOptions) {
    const { postgresUrl, amqpUrl, redisUrl, managerMetricsUrls: urls = [] } = settings
    this.figures = new FiguresRing({ urls, timers, now: () => clock.now() })
    this.store =
      redisUrl &&
      createStore(
        { ...settings, redisDeadlineMs: STORE_DEADLINE_MS, redisStrictDeadlineMs: STORE_DEADLINE_MS },
        { clock, log, metrics: createMetrics(), timers },
      )
    const isSame = postgresUrl === database.url
    this.#ownDatabase = postgresUrl === undefined || isSame ? undefined : new Database(postgresUrl, log)
    this.events = isSame ? database : this.#ownDatabase
    const stored = this.events && new StoredEvents(this.events, () => clock.now())
    this.feed = new EventFeed({ amqpUrl, stored, log, timers })
  }

  async close(): Promise<void> {
    this.figures.close()
    await this.feed.close()
    await this.store?.close()
    await this.#ownDatabase?.close()
  }
}
