import type { Collection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'
import { schemaViolation } from './errors.ts'
import type { Lookup } from './state.ts'

/** A plugin must share a protocol with the route it stands on, or with one of the routes of its service. */
export function checkProtocolsMatch(
  from: Lookup,
  collection: Collection,
  data: Readonly<Record<string, unknown>>,
): void {
  if (collection !== 'plugins' || !Array.isArray(data.protocols)) return
  const protocols = data.protocols
  const shares = (route: { readonly protocols: readonly string[] }) =>
    route.protocols.some(protocol => protocols.includes(protocol))
  const idOf = (value: unknown) => (isObject(value) && typeof value.id === 'string' ? value.id : undefined)
  const routeId = idOf(data.route)
  const serviceId = idOf(data.service)
  if (routeId !== undefined) {
    const route = from.get('routes', routeId)
    if (route && !shares(route))
      throw schemaViolation({ protocols: "must match the associated route's protocols" })
  } else if (serviceId !== undefined) {
    const routes = from.referring('routes', 'service', serviceId)
    if (routes.length > 0 && !routes.some(shares))
      throw schemaViolation({
        protocols: "must match the protocols of at least one route pointing to this Plugin's service",
      })
  }
}
