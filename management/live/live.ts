import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { Timers } from '../../foundation/timers.ts'
import { Database } from '../database.ts'
import { EventFeed } from './event-feed.ts'
import { StoredEvents } from './stored-events.ts'

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
  /** Where the events are kept; undefined without SLUICE_POSTGRES_URL. */
  readonly events: Database | undefined
  readonly #ownDatabase: Database | undefined

  constructor({ settings, database, clock, timers, log }: LiveOptions) {
    const { postgresUrl, amqpUrl } = settings
    const isSame = postgresUrl === database.url
    this.#ownDatabase = postgresUrl === undefined || isSame ? undefined : new Database(postgresUrl, log)
    this.events = isSame ? database : this.#ownDatabase
    const stored = this.events && new StoredEvents(this.events, () => clock.now())
    this.feed = new EventFeed({ amqpUrl, stored, log, timers })
  }

  async close(): Promise<void> {
    await this.feed.close()
    await this.#ownDatabase?.close()
  }
}
