import pg from 'pg'
import type { Clock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Sink, SinkReceipt, SinkRecord } from '../sink.ts'
import { insertEvents, isContentError, keepRejected, lacksPartition } from './insert.ts'
import { migrate } from './migrate.ts'
import { dropOldPartitions, Partitions } from './partitions.ts'

export interface PostgresSinkOptions {
  /** `postgres://user:password@host/database?sslmode=verify-full&sslrootcert=…` */
  readonly url: string
  readonly clock: Clock
  readonly log: Logger
  /** Undefined: events are kept for ever. */
  readonly retentionDays?: number | undefined
  /** For one statement, in the server; 10,000 where left out. */
  readonly statementTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 5_000
const RETENTION_EVERY_MS = 3_600_000
/** How long a statement under way may still take when the process ends. */
const GRACE_MS = 2_000

/**
 * Stores events in the table `gateway_events`, each once: its primary key comes from the event itself. One
 * connection, one statement a batch. A client that timed out is destroyed, since its answer may still arrive.
 */
export function createPostgresSink(options: PostgresSinkOptions): Sink {
  const statementTimeoutMs = options.statementTimeoutMs ?? 10_000
  const partitions = new Partitions()
  let client: pg.Client | undefined
  let nextRetentionMs = 0

  async function connect(): Promise<pg.Client> {
    if (client) return client
    const made = new pg.Client({
      connectionString: options.url,
      application_name: 'sluice',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: statementTimeoutMs,
      // Where the server itself is frozen, only our own clock helps.
      query_timeout: statementTimeoutMs + 5_000,
      keepAlive: true,
    })
    // An idle client reports its broken connection here; the next batch makes a new one.
    made.on('error', () => drop(made))
    try {
      await made.connect()
      const applied = await migrate(made)
      if (applied.length > 0) options.log.info({ versions: applied }, 'migrated the event tables')
    } catch (error) {
      drop(made)
      throw error
    }
    client = made
    partitions.forget()
    return made
  }

  function drop(broken: pg.Client): void {
    if (client === broken) client = undefined
    // `end` would wait for a server that may never answer.
    const { stream } = (broken as unknown as { connection: { stream: { destroy(): void } } }).connection
    stream.destroy()
  }

  /** Halves a batch that is refused until the records at fault are found. */
  async function insert(to: pg.Client, records: readonly SinkRecord[]): Promise<number> {
    try {
      await insertEvents(to, records)
      return 0
    } catch (error) {
      if (lacksPartition(error) || !isContentError(error)) throw error
      if (records.length > 1) {
        const half = records.length >> 1
        return (await insert(to, records.slice(0, half))) + (await insert(to, records.slice(half)))
      }
      const record = records[0]!
      // The server's message may quote the record; its code and ours do not.
      options.log.error(
        { id: record.id, sqlstate: error.code },
        'PostgreSQL refused an event for its content',
      )
      await keepRejected(to, record, messageOf(error), error.code)
      return 1
    }
  }

  async function store(to: pg.Client, records: readonly SinkRecord[]): Promise<SinkReceipt> {
    const times = records.map(record => record.time)
    await partitions.ensure(to, times, options.clock.now())
    try {
      return { refused: await insert(to, records) }
    } catch (error) {
      if (!lacksPartition(error)) throw error
      partitions.forget()
      throw error
    }
  }

  async function retire(from: pg.Client): Promise<void> {
    if (options.retentionDays === undefined || options.clock.monotonic() < nextRetentionMs) return
    nextRetentionMs = options.clock.monotonic() + RETENTION_EVERY_MS
    const dropped = await dropOldPartitions(from, options.retentionDays, options.clock.now())
    if (dropped.length === 0) return
    partitions.forget()
    options.log.info({ dropped }, 'dropped the partitions that were older than the retention')
  }

  return {
    name: 'postgres',
    async store(records, signal) {
      const to = await connect()
      const giveUp = () => setTimeout(() => drop(to), GRACE_MS).unref()
      signal.addEventListener('abort', giveUp, { once: true })
      try {
        await retire(to)
        return await store(to, records)
      } catch (error) {
        drop(to)
        throw error
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
    },
    async close() {
      const last = client
      client = undefined
      if (!last) return
      const hurry = setTimeout(() => drop(last), GRACE_MS)
      await last.end().catch(() => {})
      clearTimeout(hurry)
    },
  }
}
