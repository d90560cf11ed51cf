import { readdir, readFile } from 'node:fs/promises'
import type { ClientBase } from 'pg'
import { SluiceError } from '../../foundation/errors.ts'
import { sha256 } from '../chain.ts'

/** One lock for everything that changes the schema: migrations and partitions. */
export const SCHEMA_LOCK = 0x51c1ce01

/** Numbered SQL files, and where is written which of them were applied. */
export interface MigrationSet {
  readonly folder: URL
  /** The table of versions; with its schema where it has one of its own, which is made. */
  readonly table: string
  /** Of the advisory lock. */
  readonly lock: number
  /** For an applied migration that is not the one of this version of Sluice. */
  readonly errorCode: 'SLUICE_EVENTS_SCHEMA' | 'SLUICE_MANAGER_SCHEMA'
}

const EVENTS: MigrationSet = {
  folder: new URL('./migrations/', import.meta.url),
  table: 'gateway_migrations',
  lock: SCHEMA_LOCK,
  errorCode: 'SLUICE_EVENTS_SCHEMA',
}

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
 * @throws SluiceError with the set's code when an applied migration is not the one of this version of Sluice.
 */
export async function migrate(client: ClientBase, set: MigrationSet = EVENTS): Promise<number[]> {
  const { table, lock, errorCode } = set
  const migrations = await readMigrations(set.folder)
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [lock])
    const [schema, ...rest] = table.split('.')
    if (rest.length > 0) await client.query(`create schema if not exists ${schema}`)
    await client.query(
      `create table if not exists ${table} (
         version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
    )
    const { rows } = await client.query<{ version: number; checksum: string }>(
      `select version, checksum from ${table}`,
    )
    const applied = new Map(rows.map(row => [row.version, row.checksum]))
    const todo = migrations.filter(migration => !applied.has(migration.version))
    for (const { version, name, checksum } of migrations)
      if (applied.has(version) && applied.get(version) !== checksum)
        throw new SluiceError(errorCode, `migration ${name} was applied in another form`)
    for (const { version, name, sql, checksum } of todo) {
      await client.query(sql)
      await client.query(`insert into ${table} (version, name, checksum) values ($1, $2, $3)`, [
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

async function readMigrations(folder: URL): Promise<Migration[]> {
  const names = (await readdir(folder)).filter(name => /^\d{4}-.*\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const sql = await readFile(new URL(name, folder), 'utf8')
      return { version: Number(name.slice(0, 4)), name, sql, checksum: sha256(sql) }
    }),
  )
}
