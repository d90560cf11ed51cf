import type { Route, Service } from '../../entities/entities.ts'
import { createRouter, type OnRouteFault, type Router, type RouterFlavor } from '../router/router.ts'
import type { TargetHealth } from '../state/health.ts'
import type { Snapshot, State } from '../state/state.ts'
import { type Balancer, createBalancer, type Resolver } from './balancer.ts'
import { type ChainOptions, createPluginChain, type PluginChain } from './plugin-chain.ts'

/** All that the proxy derives from one version of the state. */
export interface Configuration {
  readonly snapshot: Snapshot
  readonly router: Router<Route>
  readonly services: ReadonlyMap<string, Service>
  readonly chain: PluginChain
  readonly balancer: Balancer
}

export interface ConfigurationOptions extends ChainOptions {
  readonly resolver: Resolver
  readonly health: Pick<TargetHealth, 'isHealthy'>
  readonly routerFlavor: RouterFlavor
  readonly onRouteFault: OnRouteFault
}

export function createConfiguration(snapshot: Snapshot, options: ConfigurationOptions): Configuration {
  const { routerFlavor: flavor, onRouteFault: onFault } = options
  const services = new Map(snapshot.list('services').map(service => [service.id, service]))
  return {
    snapshot,
    services,
    router: createRouter(snapshot.list('routes').filter(isServed(services)), { flavor, onFault }),
    chain: createPluginChain(snapshot, options),
    balancer: createBalancer(snapshot, options),
  }
}

/** Routes of a service that is switched off are not matched. */
const isServed = (services: ReadonlyMap<string, Service>) => (route: Route) =>
  route.service === null || services.get(route.service.id)?.enabled !== false

/** Keeps the configuration that fits the state. */
export class ConfigurationKeeper {
  readonly #state: State
  readonly #options: ConfigurationOptions
  #current: Configuration

  constructor(state: State, options: ConfigurationOptions) {
    this.#state = state
    this.#options = options
    this.#current = createConfiguration(state.snapshot(), options)
  }

  /** Built when somebody needs it: many changes in a row cost one configuration. */
  upToDate(): Configuration {
    if (this.#current.snapshot.version !== this.#state.version)
      this.#current = createConfiguration(this.#state.snapshot(), this.#options)
    return this.#current
  }
}
