import { toBytes } from '../pdk/text.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly allow: readonly string[] | null
  readonly deny: readonly string[] | null
  readonly hide_groups_header: boolean
  readonly always_use_authenticated_groups: boolean
}

const REFUSAL = 'You cannot consume this service'

export const acl = definePlugin<Config>({
  name: 'acl',
  priority: 950,
  start: () => ({ configure: config => ({ access: exchange => decide(exchange, config) }) }),
})

function decide(exchange: Exchange, config: Config): void {
  const owner = exchange.consumer?.id ?? (exchange.credential?.consumer_id as string | undefined)
  const authenticated = authenticatedGroups(exchange)
  const usesAuthenticated =
    owner === undefined || !exchange.credential || config.always_use_authenticated_groups
  const groups =
    usesAuthenticated && authenticated
      ? authenticated
      : owner === undefined
        ? undefined
        : ownGroups(exchange, owner)
  const denies = (config.deny?.length ?? 0) > 0
  if (!groups || (groups.length === 0 && !denies && groups !== authenticated)) {
    if (exchange.credential) exchange.respondError(403, REFUSAL)
    else exchange.respondError(401)
    return
  }
  const listed = (denies ? config.deny : config.allow) ?? []
  const isMember = listed.some(group => groups.includes(group))
  if (isMember === denies) exchange.respondError(403, REFUSAL)
  else if (!config.hide_groups_header)
    // Also where there is none: the upstream gets an empty field.
    exchange.headers.set(
      groups === authenticated ? 'X-Authenticated-Groups' : 'X-Consumer-Groups',
      toBytes(groups.join(', ')),
    )
}

const ownGroups = (exchange: Exchange, consumerId: string): readonly string[] =>
  exchange.lookup.referring('acls', 'consumer', consumerId).map(acl => acl.group)

/** Groups that another plugin left in the shared context. */
function authenticatedGroups(exchange: Exchange): readonly string[] | undefined {
  const groups = exchange.shared.get('authenticated_groups')
  return Array.isArray(groups) ? groups.map(String) : undefined
}
