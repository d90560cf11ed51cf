import type pg from 'pg'
import type { Clock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Sink, SinkReceipt, SinkRecord } from '../sink.ts'
import { destroyClient, openClient } from './client.ts'
import { insertEvents, isContentError, keepRejected, lacksPartition } from './insert.ts'
import { migrate } from './migrate.ts'
import { dropOldPartitions, Partitions } from './partitions.ts'

export interface PostgresSinkOptions {
  /** `postgres://user:password@host/database?sslmode=verify-full&sslrootcert=…` */
  readonly url: string
  readonly clock: Clock
  readonly log: Logger
  /** Undefined: events are kept forever. */
  readonly retentionDays?: number | undefined
  /** For one statement, in the server; 10,000 where left out. */
  readonly statementTimeoutMs?: number
}

const RETENTION_EVERY_MS = 3_600_000
/** How long a statement under way may still take when the process ends. */
const GRACE_MS = 2_000

/**
 * Stores events in the table `gateway_events`, each once: its primary key comes from the event itself. One
 * connection, one statement a batch. A client that timed out is destroyed, since its answer may still arrive.
 */
export const createPostgresSink = (options: PostgresSinkOptions): Sink => new PostgresSink(options)

class PostgresSink implements Sink {
  readonly name = 'postgres'
  readonly #options: PostgresSinkOptions
  readonly #partitions = new Partitions()
  #client: pg.Client | undefined
  #nextRetentionMs = 0

  constructor(options: PostgresSinkOptions) {
    this.#options = options
  }

  async store(records: readonly SinkRecord[], signal: AbortSignal): Promise<SinkReceipt> {
    const client = this.#client ?? (await this.#connect())
    signal.throwIfAborted()
    const giveUp = () => setTimeout(() => this.#drop(client), GRACE_MS).unref()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      await this.#retire(client)
      return await this.#insert(client, records)
    } catch (error) {
      this.#drop(client)
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async close(): Promise<void> {
    const last = this.#client
    this.#client = undefined
    if (!last) return
    const hurry = setTimeout(() => destroyClient(last), GRACE_MS)
    await last.end().catch(() => {})
    clearTimeout(hurry)
  }

  async #connect(): Promise<pg.Client> {
    const { url, log, statementTimeoutMs = 10_000 } = this.#options
    const client = openClient(url, statementTimeoutMs)
    // An idle client reports its broken connection here; the next batch makes a new one.
    client.on('error', () => this.#drop(client))
    try {
      await client.connect()
      const applied = await migrate(client)
      if (applied.length > 0) log.info({ versions: applied }, 'migrated the event tables')
    } catch (error) {
      this.#drop(client)
      throw error
    }
    this.#client = client
    this.#partitions.forget()
    return client
  }

  #drop(broken: pg.Client): void {
    if (this.#client === broken) this.#client = undefined
    destroyClient(broken)
  }

  async #insert(client: pg.Client, records: readonly SinkRecord[]): Promise<SinkReceipt> {
    const times = records.map(record => record.time)
    await this.#partitions.ensure(client, times, this.#options.clock.now())
    try {
      return { refused: await this.#bisect(client, records) }
    } catch (error) {
      if (lacksPartition(error)) this.#partitions.forget()
      throw error
    }
  }

  /**
   * Halves a batch that is refused until the records at fault are found.
   *
   * @returns how many were refused.
   */
  async #bisect(client: pg.Client, records: readonly SinkRecord[]): Promise<number> {
    try {
      await insertEvents(client, records)
      return 0
    } catch (error) {
      const [record] = records
      if (record === undefined || lacksPartition(error) || !isContentError(error)) throw error
      if (records.length > 1) {
        const half = records.length >> 1
        const first = await this.#bisect(client, records.slice(0, half))
        return first + (await this.#bisect(client, records.slice(half)))
      }
      // The server's message may quote the record; its code and ours do not.
      this.#options.log.error(
        { id: record.id, sqlstate: error.code },
        'PostgreSQL refused an event for its content',
      )
      await keepRejected(client, record, messageOf(error), error.code)
      return 1
    }
  }

  async #retire(client: pg.Client): Promise<void> {
    const { clock, log, retentionDays } = this.#options
    if (retentionDays === undefined || clock.monotonic() < this.#nextRetentionMs) return
    this.#nextRetentionMs = clock.monotonic() + RETENTION_EVERY_MS
    const dropped = await dropOldPartitions(client, retentionDays, clock.now())
    if (dropped.length === 0) return
    this.#partitions.forget()
    log.info({ dropped }, 'dropped the partitions that were older than the retention')
  }
}
