/** What stands in the way of response-cache among the plugin entries in Kong. */
import { bothApply, type PluginEntry } from '../../kong/reconcile/warnings.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { type Finding, warn } from './check.ts'

const CACHE = 'response-cache'
const AREA = 'kong: entries'

type ServiceOf = (routeId: string) => string | undefined

export function findCacheProblems(
  entries: readonly PluginEntry[],
  plugins: readonly AnyPlugin[],
  serviceOf: ServiceOf,
): readonly Finding[] {
  const enabled = entries.filter(({ fields }) => fields.enabled !== false)
  const caches = enabled.filter(({ fields }) => fields.name === CACHE)
  const withResponse = new Set(
    plugins.filter(({ name, phases }) => name !== CACHE && phases.response).map(({ name }) => name),
  )
  return caches.flatMap(cache => {
    const beside = enabled.filter(
      other => other !== cache && bothApply(cache.fields, other.fields, serviceOf),
    )
    return [
      ...beside.filter(({ fields }) => withResponse.has(String(fields.name))).flatMap(silenced(cache)),
      ...beside.filter(hidesCredentials).flatMap(withoutStale(cache)),
    ]
  })
}

const configOf = ({ fields }: PluginEntry): Readonly<Record<string, unknown>> =>
  (fields.config ?? {}) as Readonly<Record<string, unknown>>

/** Kong decides about buffering for all plugins of a request at once. */
const silenced = (cache: PluginEntry) => (other: PluginEntry) =>
  configOf(cache).stream === false
    ? []
    : [
        warn(
          AREA,
          `${cache.label} switches buffering off where it does not need it, and with it the response phase of ${other.label}`,
          'Set stream to false in response-cache.',
        ),
      ]

const hidesCredentials = (entry: PluginEntry): boolean =>
  /^(key-auth|basic-auth)$/.test(String(entry.fields.name)) && configOf(entry).hide_credentials === true

const withoutStale = (cache: PluginEntry) => (other: PluginEntry) => {
  const { shared, stale_while_revalidate: revalidate, stale_if_error: ifError } = configOf(cache)
  const wantsStale = Number(revalidate ?? 0) > 0 || Number(ifError ?? 0) > 0
  return shared === true || !wantsStale
    ? []
    : [
        warn(
          AREA,
          `${cache.label} fetches stale answers through the proxy with the credentials of the client, which ${other.label} hides from it`,
          'Set hide_credentials to false, or shared to true where one answer is for all.',
        ),
      ]
}
