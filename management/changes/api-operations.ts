import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Operation } from './operation.ts'

/** An API as it is asked for in one request. */
export interface ApiRequest {
  readonly name: string
  readonly url: string
  readonly paths?: readonly string[]
  readonly hosts?: readonly string[]
  readonly methods?: readonly string[]
  readonly strip_path?: boolean
  readonly tags?: readonly string[]
  /** Name of a plugin for authentication, or that with its configuration. */
  readonly auth?: string | { readonly plugin: string; readonly config?: Row }
  readonly limits?: readonly { readonly requests: number; readonly per_seconds: number }[]
  readonly cache?: { readonly seconds: number }
  /** Hands the service a signed token of who calls. */
  readonly token?: boolean | Row
}

export interface ApiParts {
  /** Whether this Kong offers the plugin. */
  readonly hasPlugin: (name: string) => boolean
  readonly newId: () => string
}

/** Windows that `rate-limiting` has, seconds. */
const SPANS: ReadonlyMap<number, string> = new Map([
  [1, 'second'],
  [60, 'minute'],
  [3_600, 'hour'],
  [86_400, 'day'],
  [2_592_000, 'month'],
  [31_536_000, 'year'],
])

/** A service, a route and plugins: each creation points to what it comes of. */
export function apiOperations(api: ApiRequest, parts: ApiParts): readonly Operation[] {
  const id = parts.newId()
  const service = { id }
  const { name, url, paths, hosts, methods, strip_path, tags } = api
  const create = (kind: KindName, body: Row, pointer: string): Operation => ({
    ...{ action: 'create', kind, pointer },
    body: { ...body, ...(tags && { tags }) },
  })
  const route = Object.entries({ paths, hosts, methods, strip_path }).filter(
    ([, value]) => value !== undefined,
  )
  return [
    create('services', { id, name, url }, ''),
    create('routes', { name, service, ...Object.fromEntries(route) }, ''),
    ...pluginsOf(api, parts).map(({ pointer, ...plugin }) =>
      create('plugins', { service, ...plugin }, pointer),
    ),
  ]
}

interface ApiPlugin {
  readonly name: string
  readonly config?: Row
  readonly pointer: string
}

function pluginsOf({ auth, limits, cache, token }: ApiRequest, parts: ApiParts): readonly ApiPlugin[] {
  const plugins: ApiPlugin[] = []
  if (typeof auth === 'string') plugins.push({ name: auth, pointer: '/auth' })
  else if (auth) plugins.push({ name: auth.plugin, config: auth.config ?? {}, pointer: '/auth' })
  if (limits) plugins.push({ ...limiting(limits, parts), pointer: '/limits' })
  if (cache) plugins.push({ ...caching(cache.seconds, parts), pointer: '/cache' })
  if (token)
    plugins.push({ name: 'upstream-token', ...(token !== true && { config: token }), pointer: '/token' })
  return plugins
}

/** By our own plugin where Kong has it, since that is exact over several nodes. */
function limiting(limits: NonNullable<ApiRequest['limits']>, { hasPlugin }: ApiParts) {
  if (hasPlugin('qos')) {
    const own = limits.map(({ requests, per_seconds: per }) => ({
      ...{ name: SPANS.get(per) ?? `per-${String(per).replace('.', '-')}-s`, requests, per },
    }))
    return { name: 'qos', config: { default_tier: 'all', tiers: { all: { limits: own } } } }
  }
  // A window that it does not have is refused by its schema, with its name.
  const config = limits.map(({ requests, per_seconds: per }) => [
    SPANS.get(per) ?? `per_${per}_seconds`,
    requests,
  ])
  return { name: 'rate-limiting', config: { ...Object.fromEntries(config), policy: 'local' } }
}

const caching = (seconds: number, { hasPlugin }: ApiParts) =>
  hasPlugin('response-cache')
    ? { name: 'response-cache', config: { default_ttl: seconds } }
    : { name: 'proxy-cache', config: { strategy: 'memory', cache_ttl: seconds } }

/** A fault of a service's address belongs to the URL that it came of. */
export const pointerInApi = (pointer: string): string =>
  /^\/(host|port|protocol|path)$/.test(pointer) ? '/url' : pointer
