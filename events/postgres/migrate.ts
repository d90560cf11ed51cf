import { readdir, readFile } from 'node:fs/promises'
import type { Client } from 'pg'
import { SluiceError } from '../../foundation/errors.ts'
import { sha256 } from '../chain.ts'

/** One lock foreverything that changes the schema: migrations and partitions. */
export const SCHEMA_LOCK = 0x51c1ce01

const FOLDER = new URL('./migrations/', import.meta.url)

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Brings the schema up to date, all in one transaction under a lock: of several nodes that start at once, one does
 * it, and the others find it done.
 *
 * @returns the versions that were applied.
 * @throws SluiceError SLUICE_EVENTS_SCHEMA when an applied migration is not the one of this version of Sluice.
 */
export async function migrate(client: Client): Promise<number[]> {
  const migrations = await readMigrations()
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK])
    await client.query(
      `create table if not exists gateway_migrations (
         version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
    )
    const { rows } = await client.query<{ version: number; checksum: string }>(
      'select version, checksum from gateway_migrations',
    )
    const applied = new Map(rows.map(row => [row.version, row.checksum]))
    const todo = migrations.filter(migration => !applied.has(migration.version))
    for (const { version, name, checksum } of migrations)
      if (applied.has(version) && applied.get(version) !== checksum)
        throw new SluiceError('SLUICE_EVENTS_SCHEMA', `migration ${name} was applied in another form`)
    for (const { version, name, sql, checksum } of todo) {
      await client.query(sql)
      await client.query('insert into gateway_migrations (version, name, checksum) values ($1, $2, $3)', [
        version,
        name,
        checksum,
      ])
    }
    await client.query('commit')
    return todo.map(migration => migration.version)
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter(name => /^\d{4}-.*\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const sql = await readFile(new URL(name, FOLDER), 'utf8')
      return { version: Number(name.slice(0, 4)), name, sql, checksum: sha256(sql) }
    }),
  )
}
