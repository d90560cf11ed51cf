import type { Exchange } from '../proxy/exchange.ts'
import type { PluginHandler } from '../proxy/plugin-chain.ts'

interface Config {
  readonly allow: readonly string[] | null
  readonly deny: readonly string[] | null
  readonly hide_groups_header: boolean
  readonly always_use_authenticated_groups: boolean
}

const REFUSAL = 'You cannot consume this service'

export const aclHandler: PluginHandler = {
  priority: 950,
  access(exchange, { entity }) {
    const config = entity.config as unknown as Config
    const owner = exchange.consumer?.id ?? (exchange.credential?.consumer_id as string | undefined)
    const told = toldGroups(exchange)
    const useTold = owner === undefined || !exchange.credential || config.always_use_authenticated_groups
    const groups = useTold && told ? told : owner === undefined ? undefined : ownGroups(exchange, owner)
    const denies = (config.deny?.length ?? 0) > 0
    if (!groups || (groups.length === 0 && !denies && groups !== told)) {
      if (exchange.credential) exchange.respondError(403, REFUSAL)
      else exchange.respondError(401)
      return
    }
    const listed = (denies ? config.deny : config.allow) ?? []
    const isMember = listed.some(group => groups.includes(group))
    if (isMember === denies) exchange.respondError(403, REFUSAL)
    else if (!config.hide_groups_header && groups.length > 0)
      exchange.headers.set(
        groups === told ? 'X-Authenticated-Groups' : 'X-Consumer-Groups',
        groups.join(', '),
      )
  },
}

const ownGroups = (exchange: Exchange, consumerId: string): readonly string[] =>
  exchange.lookup.referring('acls', 'consumer', consumerId).map(acl => acl.group)

/** Groups that another plugin left in the shared context. */
function toldGroups(exchange: Exchange): readonly string[] | undefined {
  const groups = exchange.shared.get('authenticated_groups')
  return Array.isArray(groups) ? groups.map(String) : undefined
}
