import type { Database } from '../database.ts'
import type { LiveEvent } from './live-event.ts'
import type { TypeFilter } from './type-filter.ts'

/** How late an event may be stored and still be found by `next`. */
const LATE_MS = 6 * 3_600_000
const DAY_MS = 86_400_000
/** Events of one writer in one answer. */
const PAGE = 500

interface EventRow extends Omit<LiveEvent, 'time'> {
  readonly time: Date
}

interface WriterRow extends EventRow {
  readonly writer: string
  /** A bigint, which comes as text. */
  readonly sequence: string
}

/**
 * Events in PostgreSQL. Each writer numbers its events without gaps and they are stored in that order, so that a
 * position for each writer finds every event once, however late it is stored and whatever its time says.
 */
export class StoredEvents {
  readonly #database: Database
  readonly #now: () => number
  readonly #positions = new Map<string, number>()
  #isStarted = false

  /** @param now milliseconds since the epoch */
  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** What was stored since the last call, by time; nothing at the first one. */
  async next(): Promise<{ readonly events: readonly LiveEvent[]; readonly isMore: boolean }> {
    if (!this.#isStarted) {
      for (const { writer, sequence } of await this.#ends()) this.#positions.set(writer, Number(sequence))
      this.#isStarted = true
      return { events: [], isMore: false }
    }
    const rows = await this.#query<WriterRow>(NEXT, [
      this.#since(),
      [...this.#positions.keys()],
      [...this.#positions.values()],
    ])
    const counts = new Map<string, number>()
    for (const { writer, sequence } of rows) {
      this.#positions.set(writer, Number(sequence))
      counts.set(writer, (counts.get(writer) ?? 0) + 1)
    }
    return { events: rows.map(toEvent).sort(byTime), isMore: [...counts.values()].includes(PAGE) }
  }

  /**
   * Events from a time on, the oldest first.
   *
   * @returns undefined where there are more than `most`.
   */
  async since(timeMs: number, filter: TypeFilter, most: number): Promise<readonly LiveEvent[] | undefined> {
    const rows = await this.#query<EventRow>(BACKLOG, [new Date(timeMs), filter.likes ?? null, most + 1])
    return rows.length > most ? undefined : rows.map(toEvent)
  }

  #ends(): Promise<readonly Pick<WriterRow, 'writer' | 'sequence'>[]> {
    return this.#query(ENDS, [this.#since()])
  }

  /** The begin of a day: partitions are days, and whatever lies in one is found by its index alone. */
  #since(): Date {
    const timeMs = this.#now() - LATE_MS
    return new Date(timeMs - (timeMs % DAY_MS))
  }

  async #query<R extends object>(text: string, values: unknown[]): Promise<readonly R[]> {
    try {
      return (await this.#database.query<R & Record<string, unknown>>(text, values)).rows
    } catch (error) {
      // No event was ever stored: the sink makes the table with the first one.
      if ((error as { code?: unknown }).code === '42P01') return []
      throw error
    }
  }
}

const toEvent = ({ id, time, type, subject, node, data }: EventRow): LiveEvent => ({
  id,
  time: time.toISOString(),
  type,
  subject,
  node,
  data,
})

const byTime = (a: LiveEvent, b: LiveEvent): number =>
  a.time < b.time || (a.time === b.time && a.id < b.id) ? -1 : 1

/** From writer to writer by the index (writer, sequence): as many look-ups as there are writers. */
const WRITERS = `
  with recursive writers (writer) as (
    (select writer from gateway_events where time >= $1 order by writer limit 1)
    union all
    select (select e.writer from gateway_events e where e.time >= $1 and e.writer > w.writer order by e.writer limit 1)
      from writers w where w.writer is not null)`

const ENDS = `${WRITERS}
  select w.writer, (select e.sequence from gateway_events e
                     where e.writer = w.writer and e.time >= $1 order by e.sequence desc limit 1) as sequence
    from writers w where w.writer is not null`

const NEXT = `${WRITERS}
  select e.id, e.time, e.type, e.subject, e.node, e.data, e.writer, e.sequence
    from writers w
    left join unnest($2::text[], $3::bigint[]) as p (writer, sequence) on p.writer = w.writer
    cross join lateral (
      select * from gateway_events e
       where e.writer = w.writer and e.sequence > coalesce(p.sequence, 0) and e.time >= $1
       order by e.sequence limit ${PAGE}) e
   where w.writer is not null
   order by e.writer, e.sequence`

const BACKLOG = `
  select id, time, type, subject, node, data from gateway_events
   where time >= $1 and ($2::text[] is null or type like any ($2))
   order by time, id limit $3`
