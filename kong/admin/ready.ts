import { AdminUnreachable } from './answer.ts'
import type { AdminClient } from './client.ts'
import { type RetryOptions, type RetryParts, retry } from './retry.ts'

/**
 * Waits until Kong answers and reaches its database.
 *
 * @throws AdminUnreachable when it does not in time; AdminRefused when the Admin API refuses us.
 */
export function waitForKong(client: AdminClient, options: RetryOptions, parts: RetryParts): Promise<void> {
  return retry(
    async () => {
      const status = (await client.request('GET', '/status')) as
        | { database?: { reachable?: boolean } }
        | undefined
      if (status?.database?.reachable === false)
        throw new AdminUnreachable(`Kong at ${client.url} answers, but does not reach its database`)
    },
    options,
    parts,
  )
}
