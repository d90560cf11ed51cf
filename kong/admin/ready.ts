import { AdminUnreachable, noAdminApi } from './answer.ts'
import type { AdminClient } from './client.ts'
import { type RetryOptions, type RetryParts, retry } from './retry.ts'

/**
 * Waits until Kong answers and reaches its database.
 *
 * @throws AdminUnreachable when it does not in time; SluiceError SLUICE_ADMIN_WRONG when it is another server; AdminRefused
 * when the Admin API refuses us.
 */
export function waitForKong(client: AdminClient, options: RetryOptions, parts: RetryParts): Promise<void> {
  return retry(
    async () => {
      const status = await statusOf(client)
      if (status.database?.reachable === false)
        throw new AdminUnreachable(`Kong at ${client.url} answers, but does not reach its database`)
    },
    options,
    parts,
  )
}

interface Status {
  readonly database?: { readonly reachable?: boolean }
}

async function statusOf(client: AdminClient): Promise<Status> {
  const status = await client.find('/status')
  // A proxy answers 404, and a web server with a page of its own.
  if (!status || typeof status.server !== 'object') throw noAdminApi(client.url, '/status')
  return status as Status
}
