/** What the gateway offers, as its configuration says: services with their routes and the plugins in force. */

import type { RouteFields } from '../../kong/gateway/router/route.ts'
import { createRouter, type Router } from '../../kong/gateway/router/router.ts'

export type Row = Readonly<Record<string, unknown>>

/** The rows of Kong that the catalogue reads. */
export interface KongRows {
  readonly services: readonly Row[]
  readonly routes: readonly Row[]
  readonly plugins: readonly Row[]
}

/** A plugin that runs for every request of a route, whoever the consumer is. */
export interface PluginInForce {
  readonly name: string
  readonly config: Row
}

export interface OfferedRoute extends RouteFields {
  readonly name: string | undefined
  readonly serviceId: string | undefined
  readonly tags: readonly string[]
  readonly plugins: readonly PluginInForce[]
}

export interface OfferedService {
  readonly id: string
  readonly name: string
  /** Before every path that the service is asked for; `/` for none. */
  readonly base: string
  readonly tags: readonly string[]
  readonly routes: readonly OfferedRoute[]
  /** Path at the service where its OpenAPI document is, from the tag `openapi:/path`. */
  readonly documentPath: string | undefined
  readonly deprecation: Deprecation | undefined
}

/** From the tags `deprecated` and `sunset:2027-03-31`. */
export interface Deprecation {
  readonly sunset: string | undefined
}

export interface Offer {
  /** By name; those that have a route and are not hidden by the tag `catalogue:hide`. */
  readonly services: readonly OfferedService[]
  /** Decides as Kong would, hidden services and routes without one included. */
  readonly router: Router<OfferedRoute>
}

const HIDE = 'catalogue:hide'

export function readOffer({ services, routes, plugins }: KongRows): Offer {
  const enabled = plugins.filter(isForEverybody)
  const offered = routes.map(row => toRoute(row, enabled))
  const flavor = offered.some(({ expression }) => expression != null)
    ? 'expressions'
    : 'traditional_compatible'
  return {
    services: services
      .filter(row => row.enabled !== false && !tagsOf(row).includes(HIDE))
      .map(row => toService(row, offered))
      .filter(service => service.routes.length > 0)
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    router: createRouter(offered, { flavor }),
  }
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const idOf = (reference: unknown) => textOf((reference as Row | null | undefined)?.id)
const tagsOf = (row: Row) => (Array.isArray(row.tags) ? row.tags.map(String) : [])

function toService(row: Row, routes: readonly OfferedRoute[]): OfferedService {
  const id = String(row.id)
  const tags = tagsOf(row)
  return {
    id,
    name: textOf(row.name) ?? String(row.host ?? id),
    base: textOf(row.path) ?? '/',
    tags,
    routes: routes.filter(route => route.serviceId === id && isHttp(route)),
    documentPath: documentPathOf(tags),
    deprecation: deprecationOf(tags),
  }
}

const isHttp = ({ protocols }: OfferedRoute) => (protocols ?? ['http']).some(one => /^https?$/.test(one))

/** A tag of Kong may hold no slash, so paths are written as in a URL. */
function documentPathOf(tags: readonly string[]): string | undefined {
  const text = tags.find(tag => tag.startsWith('openapi:'))?.slice('openapi:'.length)
  if (text === undefined) return undefined
  try {
    const path = decodeURIComponent(text)
    return path.startsWith('/') ? path : `/${path}`
  } catch {
    return undefined
  }
}

function deprecationOf(tags: readonly string[]): Deprecation | undefined {
  const sunset = tags.find(tag => /^sunset:\d{4}-\d{2}-\d{2}$/.test(tag))?.slice('sunset:'.length)
  return tags.includes('deprecated') || sunset !== undefined ? { sunset } : undefined
}

function toRoute(row: Row, plugins: readonly Row[]): OfferedRoute {
  const serviceId = idOf(row.service)
  return {
    ...(row as unknown as RouteFields),
    id: String(row.id),
    name: textOf(row.name),
    serviceId,
    tags: tagsOf(row),
    plugins: pluginsInForce(String(row.id), serviceId, plugins),
  }
}

/** What a consumer or a group of them has of its own is nothing that a document could say. */
const isForEverybody = (plugin: Row) =>
  plugin.enabled !== false && idOf(plugin.consumer) === undefined && idOf(plugin.consumer_group) === undefined

/** Of the entries of one plugin Kong runs the most specific one: route and service, route, service, global. */
function pluginsInForce(
  routeId: string,
  serviceId: string | undefined,
  plugins: readonly Row[],
): readonly PluginInForce[] {
  const best = new Map<string, { readonly rank: number; readonly plugin: Row }>()
  for (const plugin of plugins) {
    const route = idOf(plugin.route)
    const service = idOf(plugin.service)
    if ((route !== undefined && route !== routeId) || (service !== undefined && service !== serviceId))
      continue
    const rank = (route === undefined ? 0 : 2) + (service === undefined ? 0 : 1)
    const name = String(plugin.name)
    if (rank >= (best.get(name)?.rank ?? 0)) best.set(name, { rank, plugin })
  }
  return [...best]
    .map(([name, { plugin }]) => ({ name, config: (plugin.config ?? {}) as Row }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
