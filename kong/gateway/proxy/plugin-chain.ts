import type { Plugin } from '../../entities/entities.ts'
import type { Snapshot } from '../state/state.ts'
import type { Exchange } from './exchange.ts'

type PhaseHandler = (exchange: Exchange, plugin: ConfiguredPlugin) => void | Promise<void>

/** What a plugin does in each phase. One that throws makes the answer a 500. */
export interface PluginHandler {
  /** Plugins with a higher one run earlier. */
  readonly priority: number
  /** Before routing; global plugins only. */
  readonly rewrite?: PhaseHandler
  readonly access?: PhaseHandler
  /** Before the head of the response is sent. */
  readonly headerFilter?: (exchange: Exchange, plugin: ConfiguredPlugin) => void
  /** With the whole response of the upstream at hand; having it turns streaming off. */
  readonly response?: PhaseHandler
  /** After the response; nobody waits for it. */
  readonly log?: PhaseHandler
}

/** A plugin entity, ready to run. */
export interface ConfiguredPlugin {
  readonly name: string
  readonly entity: Plugin
  readonly handler: PluginHandler
  /** Kong's key of the configuration. */
  readonly key: string
  /** Differs for every configuration that was ever built, also for one that did not change. */
  readonly sequence: number
}

export interface Candidate {
  readonly name: string
  /** The configuration that fits best, for a plugin that is configured several times. */
  find(exchange: Exchange): ConfiguredPlugin | undefined
}

/** Which plugins run for a request, in their order. */
export interface Plan {
  readonly candidates: readonly Candidate[]
  readonly globals: readonly ConfiguredPlugin[]
}

const key = (route = '', service = '', consumer = '') => `${route}:${service}:${consumer}`

/**
 * @param handlers by name; a plugin without one is left out
 * @param nextSequence called for every configuration
 */
export function createPlan(
  snapshot: Snapshot,
  handlers: ReadonlyMap<string, PluginHandler>,
  workspaceId: string,
  nextSequence: () => number,
): Plan {
  const byName = new Map<string, Map<string, ConfiguredPlugin>>()
  for (const entity of snapshot.list('plugins')) {
    const handler = handlers.get(entity.name)
    if (!entity.enabled || !handler || !entity.protocols.some(isHttp)) continue
    const { route, service, consumer, name } = entity
    const scope = key(route?.id, service?.id, consumer?.id)
    const configured = {
      name,
      entity,
      handler,
      key: `plugins:${name}:${route?.id ?? ''}:${service?.id ?? ''}:${consumer?.id ?? ''}::${workspaceId}`,
      sequence: nextSequence(),
    }
    const scopes = byName.get(name)
    if (scopes) scopes.set(scope, configured)
    else byName.set(name, new Map([[scope, configured]]))
  }
  const ordered = [...byName].sort(([a], [b]) => byPriority(a, b, handlers))
  return {
    candidates: ordered.map(([name, scopes]) => ({ name, find: finder(scopes) })),
    globals: ordered.map(([, scopes]) => scopes.get(key())).filter(plugin => plugin !== undefined),
  }
}

const isHttp = (protocol: string) => /^(http|grpc)s?$/.test(protocol)

/** Kong orders equal priorities by name, from high to low. */
function byPriority(a: string, b: string, handlers: ReadonlyMap<string, PluginHandler>): number {
  const difference = handlers.get(b)!.priority - handlers.get(a)!.priority
  return difference !== 0 ? difference : a > b ? -1 : 1
}

/** The most specific configuration wins; a consumer counts more than a route, a route more than a service. */
function finder(scopes: ReadonlyMap<string, ConfiguredPlugin>): Candidate['find'] {
  const [only] = scopes.size === 1 ? scopes.values() : []
  if (only && !only.entity.route && !only.entity.service && !only.entity.consumer) return () => only
  return exchange => {
    const route = exchange.route?.id
    const service = exchange.service?.id
    const consumer = exchange.consumer?.id
    return (
      (consumer &&
        ((route && service && scopes.get(key(route, service, consumer))) ||
          (route && scopes.get(key(route, '', consumer))) ||
          (service && scopes.get(key('', service, consumer))))) ||
      (route && service && scopes.get(key(route, service))) ||
      (consumer && scopes.get(key('', '', consumer))) ||
      (route && scopes.get(key(route))) ||
      (service && scopes.get(key('', service))) ||
      scopes.get(key())
    )
  }
}
