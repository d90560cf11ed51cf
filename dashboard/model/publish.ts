import type { Operation } from './operation.ts'
import type { Json } from './schema.ts'

/** What the wizard asks for. */
export interface ApiAnswers {
  readonly name: string
  /** Where the service is. */
  readonly url: string
  readonly paths: readonly string[]
  readonly hosts: readonly string[]
  /** Name of an authentication plugin, or empty. */
  readonly auth: string
  readonly limit: { readonly requests: number; readonly seconds: number } | undefined
  /** How long answers are kept, seconds. */
  readonly cacheSeconds: number | undefined
}

export interface PublishParts {
  /** The plugins of the gateway. */
  readonly plugins: ReadonlySet<string>
  readonly newId: () => string
}

/** An API as one change: service, route and plugins. Ids are made here, since one refers to another. */
export function publishOperations(
  answers: ApiAnswers,
  { plugins, newId }: PublishParts,
): readonly Operation[] {
  const { name, url, paths, hosts } = answers
  const serviceId = newId()
  const service = { id: serviceId }
  const create = (kind: string, body: Json): Operation => ({ action: 'create', kind, body })
  const route = {
    name,
    service,
    ...(paths.length > 0 && { paths }),
    ...(hosts.length > 0 && { hosts }),
  }
  return [
    create('services', { id: serviceId, name, ...partsOfUrl(url) }),
    create('routes', route),
    ...pluginsOf(answers, plugins).map(plugin => create('plugins', { service, ...plugin })),
  ]
}

/** A change of a file knows no `url`, which is a short form of these. */
function partsOfUrl(url: string): Json {
  const { protocol, hostname, port, pathname } = new URL(url)
  const scheme = protocol.replace(':', '')
  return {
    protocol: scheme,
    host: hostname,
    port: port === '' ? (scheme === 'https' ? 443 : 80) : Number(port),
    ...(pathname !== '/' && { path: pathname }),
  }
}

function pluginsOf({ auth, limit, cacheSeconds }: ApiAnswers, plugins: ReadonlySet<string>): readonly Json[] {
  return [
    ...(auth === '' ? [] : [{ name: auth }]),
    ...(limit ? [limitPlugin(limit, plugins)] : []),
    ...(cacheSeconds === undefined ? [] : [cachePlugin(cacheSeconds, plugins)]),
  ]
}

const SPANS: Readonly<Record<number, string>> = { 1: 'second', 60: 'minute', 3600: 'hour', 86400: 'day' }

/** By our own plugin where the gateway has it, since that is exact over several nodes. */
function limitPlugin(
  { requests, seconds }: NonNullable<ApiAnswers['limit']>,
  plugins: ReadonlySet<string>,
): Json {
  const span = SPANS[seconds] ?? 'minute'
  if (!plugins.has('qos')) return { name: 'rate-limiting', config: { [span]: requests, policy: 'local' } }
  const limits = [{ name: span, requests, per: seconds }]
  return { name: 'qos', config: { default_tier: 'all', tiers: { all: { limits } } } }
}

const cachePlugin = (seconds: number, plugins: ReadonlySet<string>): Json =>
  plugins.has('response-cache')
    ? { name: 'response-cache', config: { ttl: seconds } }
    : { name: 'proxy-cache', config: { strategy: 'memory', cache_ttl: seconds } }

/** Which step of the wizard a fault of the change belongs to, by the operation that its pointer names. */
export function stepOfFault(pointer: string, operations: readonly Operation[]): number {
  const operation = operations[Number(/^\/operations\/(\d+)/.exec(pointer)?.[1] ?? 0)]
  if (operation?.kind !== 'plugins') return 0
  const name = String(operation.body?.name)
  if (/auth|jwt/.test(name)) return 1
  return /cache/.test(name) ? 3 : 2
}
