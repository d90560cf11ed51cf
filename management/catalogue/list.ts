/** The list of active APIs, as JSON has it and as the page shows it. */
import type { Offer, OfferedRoute, OfferedService } from './offer.ts'
import { plainText } from './openapi/markdown.ts'
import type { Dropped, Source } from './openapi/merge.ts'
import { METHODS, nodeOf, textOf } from './openapi/node.ts'
import { authPluginsOf, type Limit, limitsOf } from './plugin-effects.ts'

export interface ListedRoute {
  readonly name: string | null
  readonly protocols: readonly string[]
  /** Empty: any. The same holds of paths and methods. */
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly methods: readonly string[]
  /** Authentication plugins. */
  readonly auth: readonly string[]
  readonly limits: readonly Limit[]
}

export interface ListedDocument {
  readonly operations: number
  readonly fetched_at: string
  /** Why it is not of now. */
  readonly problem: string | null
  readonly left_out: readonly Omit<Dropped, 'service'>[]
}

export interface ListedApi {
  readonly name: string
  readonly title: string
  readonly deprecated: boolean
  readonly sunset: string | null
  readonly routes: readonly ListedRoute[]
  readonly document: ListedDocument | null
  /** Why there is no document though the service has the tag `openapi:…`. */
  readonly document_problem: string | null
}

export interface ApiList {
  /** When Kong was read. */
  readonly as_of: string
  readonly problem: string | null
  readonly data: readonly ListedApi[]
}

export interface ListParts {
  readonly offer: Offer
  readonly sources: readonly Source[]
  readonly dropped: readonly Dropped[]
  readonly problemOf: (service: OfferedService) => string | undefined
}

export function listApis({ offer, sources, dropped, problemOf }: ListParts): readonly ListedApi[] {
  return offer.services.map(service => {
    const source = sources.find(one => one.service.id === service.id)
    return {
      name: service.name,
      title: plainText(textOf(nodeOf(source?.document.info).title) ?? service.name),
      deprecated: service.deprecation !== undefined,
      sunset: service.deprecation?.sunset ?? null,
      routes: service.routes.map(toListedRoute),
      document: source ? describe(source, dropped) : null,
      document_problem: source ? null : (problemOf(service) ?? null),
    }
  })
}

function describe(
  { service, document, fetchedAt, staleReason }: Source,
  dropped: readonly Dropped[],
): ListedDocument {
  const items = Object.values(nodeOf(document.paths)).map(nodeOf)
  const leftOut = dropped.filter(one => one.service === service.name)
  return {
    operations: items.flatMap(item => METHODS.filter(method => method in item)).length - leftOut.length,
    fetched_at: new Date(fetchedAt).toISOString(),
    problem: staleReason ?? null,
    left_out: leftOut.map(({ method, path, reason }) => ({ method, path, reason })),
  }
}

function toListedRoute(route: OfferedRoute): ListedRoute {
  return {
    name: route.name ?? null,
    protocols: route.protocols ?? [],
    hosts: route.hosts ?? [],
    paths: route.expression == null ? (route.paths ?? []) : [route.expression],
    methods: route.methods ?? [],
    auth: authPluginsOf(route.plugins),
    limits: limitsOf(route.plugins),
  }
}
