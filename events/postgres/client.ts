import pg from 'pg'

const CONNECT_TIMEOUT_MS = 5_000
/** Where the server itself is frozen, only our own clock helps. */
const FROZEN_MS = 5_000

/** A client that is not connected yet. @param statementTimeoutMs for one statement, in the server */
export const openClient = (url: string, statementTimeoutMs: number): pg.Client =>
  new pg.Client({
    connectionString: url,
    application_name: 'sluice',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + FROZEN_MS,
    keepAlive: true,
  })

/** Closes the socket: `end` would wait for a server that may never answer. */
export function destroyClient(client: pg.Client): void {
  const { connection }: { connection?: { stream?: { destroy?: () => void } } } = client as object
  connection?.stream?.destroy?.()
}
