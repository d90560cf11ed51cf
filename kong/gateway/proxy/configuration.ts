import type { Route, Service } from '../../entities/entities.ts'
import { createRouter, type OnRouteFault, type Router } from '../router/router.ts'
import type { Snapshot } from '../state/state.ts'
import { type Balancer, createBalancer, type Resolver } from './balancer.ts'
import { createPlan, type Plan, type PluginHandler } from './plugin-chain.ts'

/** All that the proxy derives from one version of the state. */
export interface Configuration {
  readonly snapshot: Snapshot
  readonly router: Router<Route>
  readonly services: ReadonlyMap<string, Service>
  readonly plan: Plan
  readonly balancer: Balancer
}

export interface ConfigurationOptions {
  readonly handlers: ReadonlyMap<string, PluginHandler>
  readonly workspaceId: string
  readonly resolver: Resolver
  readonly nextSequence: () => number
  readonly onRouteFault: OnRouteFault
}

export function createConfiguration(snapshot: Snapshot, options: ConfigurationOptions): Configuration {
  const { handlers, workspaceId, resolver, nextSequence } = options
  const services = new Map(snapshot.list('services').map(service => [service.id, service]))
  return {
    snapshot,
    services,
    router: createRouter(snapshot.list('routes').filter(isServed(services)), options.onRouteFault),
    plan: createPlan(snapshot, handlers, workspaceId, nextSequence),
    balancer: createBalancer(snapshot, resolver),
  }
}

/** Routes of a service that is switched off are not matched. */
const isServed = (services: ReadonlyMap<string, Service>) => (route: Route) =>
  route.service === null || services.get(route.service.id)?.enabled !== false
