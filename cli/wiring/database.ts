import pg from 'pg'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'

/**
 * Runs work with a connection to the event tables.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID without a URL, SLUICE_EVENTS_DATABASE when the server or its tables can't
 * be reached.
 */
export async function withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { postgresUrl } = readSettings()
  if (postgresUrl === undefined)
    throw new SluiceError('SLUICE_CONFIG_INVALID', 'SLUICE_POSTGRES_URL is not set')
  const client = new pg.Client({
    connectionString: postgresUrl,
    application_name: 'sluice cli',
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('SLUICE_EVENTS_DATABASE', `PostgreSQL: ${messageOf(error)}`)
  } finally {
    await client.end().catch(() => {})
  }
}
