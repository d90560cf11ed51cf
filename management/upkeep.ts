import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { Timers } from '../foundation/timers.ts'
import type { Database } from './database.ts'

const EVERY_MS = 3_600_000
/** Partitions are made for this month and so many to come. */
const MONTHS_AHEAD = 2
const KEEP_DAYS = 400
const IMAGE_DAYS = 30
/** Rows in one statement. */
const BATCH = 1_000

export interface UpkeepParts {
  readonly database: Database
  readonly timers: Timers
  readonly log: Logger
}

/** What is done every hour, by any manager: each step may be done twice, or at the same time. */
export class Upkeep {
  readonly #parts: UpkeepParts
  readonly #stop: () => void

  constructor(parts: UpkeepParts) {
    this.#parts = parts
    this.#stop = parts.timers.every(EVERY_MS, () => void this.run())
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { log } = this.#parts
    try {
      await this.makePartitions()
      await this.eraseImages()
      await this.dropOldPartitions()
      await this.#parts.database.query(
        `delete from sluice_manager.idempotency_keys where created_at < now() - interval '24 hours'`,
      )
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'upkeep failed: it is tried again in an hour')
    }
  }

  /** Makes the partitions of this month and the next ones. */
  async makePartitions(): Promise<void> {
    for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead++)
      for (const table of ['changes', 'steps'])
        await this.#parts.database.query(
          `do $$ declare
             first date := date_trunc('month', now() at time zone 'UTC') + interval '${ahead} month';
           begin
             execute format('create table if not exists sluice_manager.${table}_%s partition of sluice_manager.${table} for values from (%L) to (%L)',
               to_char(first, 'YYYYMM'), first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00');
           exception when duplicate_table then null;
           end $$`,
        )
  }

  /** Erases what was asked for and the images of changes that ended long ago. */
  async eraseImages(): Promise<void> {
    const { database } = this.#parts
    const old = `ended_at < now() - interval '${IMAGE_DAYS} days'`
    for (let rowCount: number | null = BATCH; rowCount === BATCH; )
      ({ rowCount } = await database.query(
        `with old as (select created_at, id from sluice_manager.changes
                       where ${old} and request is not null and (state <> 'stuck' or resolution is not null) limit ${BATCH}),
         images as (update sluice_manager.steps s set shown = null, images = null from old
                     where s.created_at = old.created_at and s.change_id = old.id)
         update sluice_manager.changes c set request = null from old where c.created_at = old.created_at and c.id = old.id`,
      ))
  }

  /** Drops months that ended longer ago than history is kept. */
  async dropOldPartitions(): Promise<void> {
    const { database } = this.#parts
    const { rows } = await database.query<{ name: string }>(
      `select c.relname as name from pg_inherits i
         join pg_class c on c.oid = i.inhrelid
         join pg_class p on p.oid = i.inhparent
         join pg_namespace n on n.oid = p.relnamespace
        where n.nspname = 'sluice_manager' and p.relname in ('changes', 'steps')
          and to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' < now() - interval '${KEEP_DAYS} days'`,
    )
    // Names that end with six digits of our own, as makePartitions gives them.
    for (const { name } of rows)
      if (/^(changes|steps)_\d{6}$/.test(name))
        await database.query(`drop table if exists sluice_manager.${name}`)
  }

  close(): void {
    this.#stop()
  }
}
