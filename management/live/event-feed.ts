import { BoundedMap } from '../../foundation/bounded-map.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { BrokerFeed } from './broker-feed.ts'
import { EventRing } from './event-ring.ts'
import { type LiveEvent, timeOfId } from './live-event.ts'
import type { StoredEvents } from './stored-events.ts'
import type { TypeFilter } from './type-filter.ts'

/** Older ones are no backlog any more, but a reason to read everything again. */
export const MOST_MISSED = 10_000
const RING = { events: MOST_MISSED, size: 32 * 1_048_576 }
/** PostgreSQL may give much later what RabbitMQ gave already. */
const REMEMBERED_IDS = 50_000
/** While RabbitMQ delivers, PostgreSQL only fills what may be missing. */
const LOOK_EVERY_MS = 1_000
const LOOK_ALONE_EVERY_MS = 200
/** Events are stored out of order by as much, at the most. */
const OVERLAP_MS = 60_000

export interface EventFeedParts {
  /** Undefined: no RabbitMQ. */
  readonly amqpUrl: string | undefined
  /** Undefined: no PostgreSQL for events. */
  readonly stored: StoredEvents | undefined
  readonly log: Logger
  readonly timers: Timers
}

/** Where a stream begins: events from before, then the ring from a position on. */
export interface Beginning {
  readonly backlog: readonly LiveEvent[]
  readonly position: number
  /** Until there, events of the ring that are in the backlog, or from before this time, are not for the stream. */
  readonly untilPosition: number
  readonly notBeforeMs: number
  /** Why the client must read again what it shows. */
  readonly reset?: string
}

/**
 * The events of the gateway in this process: RabbitMQ gives them at once, PostgreSQL all of them. Either alone is
 * enough; together each event comes once.
 */
export class EventFeed {
  readonly ring = new EventRing(RING)
  readonly #parts: EventFeedParts
  readonly #seen = new BoundedMap<true>(REMEMBERED_IDS)
  readonly #listeners = new Set<() => void>()
  readonly #broker: BrokerFeed | undefined
  #cancelLook = () => {}
  #looking: Promise<void> = Promise.resolve()
  readonly #firstLook: Promise<void>
  #isClosed = false
  #isFailing = false

  constructor(parts: EventFeedParts) {
    this.#parts = parts
    const { amqpUrl, log, timers } = parts
    this.#broker =
      amqpUrl === undefined
        ? undefined
        : new BrokerFeed({ url: amqpUrl, log, timers, onEvent: event => this.#take([event]) })
    this.#look()
    this.#firstLook = this.#looking
  }

  /** Whether events come by RabbitMQ now. */
  get isReceiving(): boolean {
    return this.#broker?.isReceiving ?? false
  }

  /** @param listener called when the ring has grown. @returns what ends the listening. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @param lastId of the last event that the client got; undefined: it begins now. Never rejects. */
  async begin(lastId: string | undefined, filter: TypeFilter): Promise<Beginning> {
    const { ring } = this
    // Before it is known how far each writer is, what happens now could not be told from what happened before.
    await this.#firstLook
    const now = { backlog: [], position: ring.end, untilPosition: 0, notBeforeMs: 0 }
    if (lastId === undefined) return now
    const known = ring.positionOf(lastId)
    if (known !== undefined) return { ...now, position: known + 1 }
    const timeMs = timeOfId(lastId)
    if (timeMs === undefined) return { ...now, reset: 'Last-Event-ID is not the id of an event' }
    const { stored, log } = this.#parts
    if (!stored)
      return { ...now, reset: 'the events from before are not kept: SLUICE_POSTGRES_URL is not set' }
    const notBeforeMs = timeMs - OVERLAP_MS
    try {
      const events = await stored.since(notBeforeMs, filter, MOST_MISSED)
      if (!events) return { ...now, reset: `more than ${MOST_MISSED} events were missed` }
      // RabbitMQ may have given what PostgreSQL does not have yet.
      const backlog = events.filter(({ id }) => id !== lastId)
      return { backlog, position: ring.start, untilPosition: ring.end, notBeforeMs }
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'cannot read the events that a client has missed')
      return { ...now, reset: 'the events from before cannot be read now' }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelLook()
    await this.#broker?.close()
    await this.#looking
  }

  #take(events: readonly LiveEvent[]): void {
    let isNew = false
    for (const event of events) {
      if (this.#seen.get(event.id)) continue
      this.#seen.set(event.id, true)
      this.ring.add(event)
      isNew = true
    }
    if (isNew) for (const listener of this.#listeners) listener()
  }

  #look(): void {
    const { stored, timers } = this.#parts
    if (!stored || this.#isClosed) return
    this.#looking = this.#read(stored).then(isMore => {
      if (this.#isClosed) return
      const pauseMs = isMore ? 0 : this.isReceiving ? LOOK_EVERY_MS : LOOK_ALONE_EVERY_MS
      this.#cancelLook = timers.after(pauseMs, () => this.#look())
    })
  }

  /** @returns whether there is more to read now. */
  async #read(stored: StoredEvents): Promise<boolean> {
    try {
      const { events, isMore } = await stored.next()
      this.#isFailing = false
      this.#take(events)
      return isMore
    } catch (error) {
      if (!this.#isFailing)
        this.#parts.log.warn({ reason: messageOf(error) }, 'cannot read events from PostgreSQL')
      this.#isFailing = true
      return false
    }
  }
}
