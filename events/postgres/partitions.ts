import type { Client } from 'pg'
import { SCHEMA_LOCK } from './migrate.ts'

const DAY_MS = 86_400_000
/** Partitions that exist before their day begins, today's included. */
const DAYS_AHEAD = 3

/** Makes the partitions that a batch needs, and those of the coming days; remembers what it has seen. */
export class Partitions {
  #known = new Set<string>()

  /** Forgets what it has seen, after someone else has dropped a partition. */
  forget(): void {
    this.#known.clear()
  }

  /**
   * @param times RFC 3339, any order.
   * @param nowMs the days from here on are made ahead.
   */
  async ensure(client: Client, times: readonly string[], nowMs: number): Promise<void> {
    const days = new Set(times.map(time => time.slice(0, 10)))
    for (let ahead = 0; ahead < DAYS_AHEAD; ahead++) days.add(dayOf(nowMs + ahead * DAY_MS))
    const missing = [...days].filter(day => !this.#known.has(day))
    if (missing.length === 0) return
    await client.query('begin')
    try {
      await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK])
      for (const day of missing) await makePartition(client, day)
      await client.query('commit')
    } catch (error) {
      await client.query('rollback').catch(() => {})
      throw error
    }
    for (const day of missing) this.#known.add(day)
  }
}

/**
 * Attaching a finished table locks the parent less than `create table … partition of` does: queries and inserts of
 * others go on meanwhile.
 */
async function makePartition(client: Client, day: string): Promise<void> {
  const name = partitionName(day)
  const { rows } = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    name,
  ])
  if (rows[0]?.exists) return
  const next = dayOf(Date.parse(day) + DAY_MS)
  await client.query(`create table ${name} (like gateway_events including all)`)
  await client.query(
    `alter table gateway_events attach partition ${name}
       for values from ('${day} 00:00:00+00') to ('${next} 00:00:00+00')`,
  )
}

/**
 * Drops the partitions whose day lies more than `retentionDays` back. Where each chain stood at that point is kept
 * first, so that the rest of it can still be verified.
 *
 * @returns names of the dropped tables.
 */
export async function dropOldPartitions(
  client: Client,
  retentionDays: number,
  nowMs: number,
): Promise<string[]> {
  const oldest = partitionName(dayOf(nowMs - retentionDays * DAY_MS))
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'gateway_events'::regclass and c.relname ~ '^gateway_events_[0-9]{8}$' and c.relname < $1
      order by 1`,
    [oldest],
  )
  const dropped: string[] = []
  for (const { name } of rows) {
    const { rows: lock } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [
      SCHEMA_LOCK,
    ])
    if (!lock[0]?.mine) return dropped
    try {
      await client.query(
        `insert into gateway_event_checkpoints (writer, sequence, chain)
         select distinct on (writer) writer, sequence, chain from ${name} order by writer, sequence desc
         on conflict do nothing`,
      )
      await client.query(`alter table gateway_events detach partition ${name} concurrently`)
      await client.query(`drop table ${name}`)
      dropped.push(name)
    } finally {
      await client.query('select pg_advisory_unlock($1)', [SCHEMA_LOCK])
    }
  }
  return dropped
}

export const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
export const partitionName = (day: string) => `gateway_events_${day.replaceAll('-', '')}`
