import type { Reference } from '../../entities/entities.ts'
import type { Snapshot } from '../state/state.ts'
import type { ConfiguredPlugin, Phases, PluginConfiguration, RunnablePlugin } from './plugin.ts'

/** Where a request is, as far as plugins are configured for it. */
export interface Scope {
  readonly route: Reference | undefined
  readonly service: Reference | undefined
  readonly consumer: Reference | undefined
}

export interface Candidate {
  readonly name: string
  /** The configuration that fits best, for a plugin that is configured several times. */
  find(scope: Scope): ConfiguredPlugin | undefined
}

/** Which plugins run for a request, in their order. */
export interface PluginChain {
  readonly candidates: readonly Candidate[]
  readonly globals: readonly ConfiguredPlugin[]
}

export interface ChainOptions {
  /** By name; a plugin that is not among them is left out. */
  readonly plugins: ReadonlyMap<string, RunnablePlugin>
  readonly workspaceId: string
  /** Called for every configuration. */
  readonly nextSequence: () => number
  /** Called for a configuration that can't be run: its requests get a 500. */
  readonly onFault: (configuration: PluginConfiguration, error: unknown) => void
}

const key = (route = '', service = '', consumer = '') => `${route}:${service}:${consumer}`

export function createPluginChain(snapshot: Snapshot, options: ChainOptions): PluginChain {
  const { plugins, workspaceId, nextSequence } = options
  const byName = new Map<string, Map<string, ConfiguredPlugin>>()
  for (const entity of snapshot.list('plugins')) {
    const { route, service, consumer, name } = entity
    const plugin = plugins.get(name)
    if (!entity.enabled || !plugin || !entity.protocols.some(isHttp)) continue
    const configuration: PluginConfiguration = {
      entity,
      key: `plugins:${name}:${route?.id ?? ''}:${service?.id ?? ''}:${consumer?.id ?? ''}::${workspaceId}`,
      sequence: nextSequence(),
    }
    const configured = { name, ...configuration, phases: phasesOf(plugin, configuration, options) }
    const scope = key(route?.id, service?.id, consumer?.id)
    const scopes = byName.get(name)
    if (scopes) scopes.set(scope, configured)
    else byName.set(name, new Map([[scope, configured]]))
  }
  const ordered = [...byName].sort(([a], [b]) => byPriority(a, b, plugins))
  return {
    candidates: ordered.map(([name, scopes]) => ({ name, find: finder(scopes) })),
    globals: ordered.map(([, scopes]) => scopes.get(key())).filter(plugin => plugin !== undefined),
  }
}

function phasesOf(
  plugin: RunnablePlugin,
  configuration: PluginConfiguration,
  { onFault }: ChainOptions,
): Phases {
  try {
    return plugin.configure(configuration)
  } catch (error) {
    onFault(configuration, error)
    return {
      access() {
        throw error
      },
    }
  }
}

const isHttp = (protocol: string) => /^(http|grpc)s?$/.test(protocol)

/** Kong orders equal priorities by name, from high to low. */
function byPriority(a: string, b: string, plugins: ReadonlyMap<string, RunnablePlugin>): number {
  const difference = (plugins.get(b)?.priority ?? 0) - (plugins.get(a)?.priority ?? 0)
  return difference !== 0 ? difference : a > b ? -1 : 1
}

/** The most specific configuration wins; a consumer counts more than a route, a route more than a service. */
function finder(scopes: ReadonlyMap<string, ConfiguredPlugin>): Candidate['find'] {
  const [only] = scopes.size === 1 ? scopes.values() : []
  if (only && !only.entity.route && !only.entity.service && !only.entity.consumer) return () => only
  return scope => {
    const route = scope.route?.id
    const service = scope.service?.id
    const consumer = scope.consumer?.id
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
