import pg from 'pg'
import { migrate } from '../events/postgres/migrate.ts'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'

/** What runs statements: the pool, or the client of a transaction. */
export interface Queries {
  query<R extends pg.QueryResultRow>(statement: Statement, values?: unknown[]): Promise<pg.QueryResult<R>>
}

/** A text, or one with a name, which the server parses and plans once a connection. */
export type Statement = string | { readonly name: string; readonly text: string }

const CONNECTIONS = 20
const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 10_000
/** Where the server itself is frozen, only our own clock helps. */
const FROZEN_MS = 2_000
const MIGRATION_LOCK = 0x51c1ce02
const FOLDER = new URL('./migrations/', import.meta.url)

/** The manager's PostgreSQL. Errors of the connection are SLUICE_MANAGER_DATABASE; those of a statement are pg's own. */
export class Database implements Queries {
  readonly #pool: pg.Pool
  readonly url: string

  constructor(url: string, log: Logger) {
    this.url = url
    this.#pool = new pg.Pool({
      connectionString: url,
      application_name: 'sluice manager',
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + FROZEN_MS,
      keepAlive: true,
    })
    this.#pool.on('error', error => log.warn({ reason: messageOf(error) }, 'lost a connection to PostgreSQL'))
  }

  /**
   * Brings the tables up to date.
   *
   * @throws SluiceError SLUICE_MANAGER_SCHEMA, SLUICE_MANAGER_DATABASE
   */
  async migrate(): Promise<readonly number[]> {
    return this.#withClient(client =>
      migrate(client, {
        folder: FOLDER,
        table: 'sluice_manager.migrations',
        lock: MIGRATION_LOCK,
        errorCode: 'SLUICE_MANAGER_SCHEMA',
      }),
    )
  }

  query<R extends pg.QueryResultRow>(
    statement: Statement,
    values: unknown[] = [],
  ): Promise<pg.QueryResult<R>> {
    const config = typeof statement === 'string' ? { text: statement } : statement
    return this.#pool.query<R>({ ...config, values }).catch(told)
  }

  /** Runs `work` in one transaction, which is rolled back where it throws. */
  transaction<T>(work: (client: Queries) => Promise<T>): Promise<T> {
    return this.#withClient(async client => {
      await client.query('begin')
      try {
        const result = await work({ query: (statement, values) => run(client, statement, values) })
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch(() => {})
        throw error
      }
    })
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch(told)
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      return await work(client).catch((error: unknown) => {
        if (!isRefusal(error)) broken = error instanceof Error ? error : new Error(String(error))
        return told(error)
      })
    } finally {
      client.off('error', onError)
      // A client whose answer may still come must not be used again.
      client.release(broken !== undefined && isConnectionError(broken))
    }
  }
}

const run = <R extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statement: Statement,
  values: unknown[] = [],
): Promise<pg.QueryResult<R>> =>
  client.query<R>(typeof statement === 'string' ? { text: statement, values } : { ...statement, values })

/**
 * SQLSTATEs of a server that does not do its work now: a connection that broke (08), was refused (28, 3D, 55000), a
 * read-only server such as a replica (25006), no memory, disk or connection left (53), shutting down (57), a broken
 * disk (58).
 */
const UNAVAILABLE = /^(08|25006|28|3D|53|55000|57|58)/

/** Whether the server said no to a statement, and is there. */
const isRefusal = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && !UNAVAILABLE.test(error.code ?? '')

const isConnectionError = (error: unknown): boolean => !isRefusal(error) && !(error instanceof SluiceError)

function told(error: unknown): never {
  if (!isConnectionError(error)) throw error
  throw new SluiceError('SLUICE_MANAGER_DATABASE', `PostgreSQL: ${messageOf(error)}`, { cause: error })
}
