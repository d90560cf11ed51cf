import type pg from 'pg'
import { until } from './until.ts'

/** Waits until so many sessions of the client's database wait for a lock, which its open transaction may hold. */
export const untilLockWaits = (client: pg.Client, count: number): Promise<void> =>
  until(`${count} wait for a lock`, async () => {
    // Within a transaction PostgreSQL shows what it has shown before.
    await client.query('select pg_stat_clear_snapshot()')
    const { rowCount } = await client.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    )
    return rowCount === count
  })
