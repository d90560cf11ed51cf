import { mapAtOnce } from '../admin/at-once.ts'
import type { AdminClient } from '../admin/client.ts'
import type { Change } from './change.ts'

/**
 * Finds deletions with which Kong deletes what nothing can restore: OAuth 2 tokens belong to an application, and to a
 * service where the plugin has no `global_credentials`.
 *
 * @param hasApplications without any there are no tokens, and nothing is asked.
 */
export async function noteLosses(
  client: Pick<AdminClient, 'find'>,
  changes: readonly Change[],
  hasApplications: boolean,
): Promise<readonly Change[]> {
  if (!hasApplications) return changes
  return mapAtOnce(changes, async change => {
    const path = tokensPath(change)
    const page = path === undefined ? undefined : await client.find(path)
    const tokens = (page?.data ?? []) as readonly unknown[]
    return tokens.length > 0 ? { ...change, loses: 'its OAuth 2 tokens' } : change
  })
}

function tokensPath({ action, kind, id }: Change): string | undefined {
  if (action !== 'delete') return undefined
  if (kind === 'oauth2_credentials') return `/oauth2/${id}/oauth2_tokens?size=1`
  return kind === 'services' ? `/services/${id}/oauth2_tokens?size=1` : undefined
}
