import type { AdminClient, Row } from '../../kong/admin/client.ts'
import { idIn } from '../../kong/reconcile/change.ts'
import { KINDS } from '../../kong/reconcile/kinds.ts'
import { labelOf } from '../../kong/reconcile/label.ts'
import { COMPOSED, findWarnings, type PluginEntry } from '../../kong/reconcile/warnings.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { withPluginChecks } from '../wiring/plugin-checks.ts'
import { findCacheProblems } from './cache-entries.ts'
import { type Finding, fail, ok, warn } from './check.ts'

const PARENTS = { service: 'services', route: 'routes', consumer: 'consumers' } as const

/**
 * The plugin entries in Kong: configurations that the plugin refuses though Kong's schema allows them, and entries of
 * `sluice` that switch off a member of a more general one.
 */
export async function findEntryProblems(
  client: AdminClient,
  plugins: readonly AnyPlugin[],
): Promise<readonly Finding[]> {
  const rows = (await client.list('/plugins')) ?? []
  const known = new Set(plugins.map(plugin => plugin.name))
  const own = rows.filter(row => known.has(String(row.name)) || row.name === COMPOSED)
  if (own.length === 0) return []
  const parents = await fetchParents(client, rows)
  const nameOf = (field: string, id: string) => {
    const row = parents.get(`${field}:${id}`)
    return (row?.name ?? row?.username ?? undefined) as string | undefined
  }
  const entries = rows.map(row => ({ fields: row, label: labelOf(KINDS.plugins, row, nameOf) }))
  const serviceOf = (route: string) => idIn(parents.get(`route:${route}`)?.service)
  return [
    ...(await refusedEntries(entries, plugins)),
    ...lostMembers(entries, serviceOf),
    ...findCacheProblems(entries, plugins, serviceOf),
  ]
}

async function refusedEntries(
  entries: readonly PluginEntry[],
  plugins: readonly AnyPlugin[],
): Promise<readonly Finding[]> {
  return withPluginChecks(plugins, async check =>
    entries.flatMap(({ fields, label }) => {
      const refusal = check(fields)
      if (refusal === undefined) return []
      const remedy = 'Correct the entry: until then each request that it applies to is answered with 500.'
      return [fail('kong: entries', `${label}: ${refusal}`, remedy)]
    }),
  )
}

function lostMembers(
  entries: readonly PluginEntry[],
  serviceOf: (route: string) => string | undefined,
): readonly Finding[] {
  // Only beside `sluice` can entries be in each other's way.
  if (!entries.some(({ fields }) => fields.name === COMPOSED)) return []
  const warnings = findWarnings(entries, serviceOf)
  if (warnings.length === 0) return [ok('kong: entries', 'no entry of sluice loses a member')]
  return warnings.map(text =>
    warn(
      'kong: entries',
      text,
      'Kong runs the most specific entry alone: repeat the member there, or keep one of the two.',
    ),
  )
}

async function fetchParents(client: AdminClient, plugins: readonly Row[]): Promise<ReadonlyMap<string, Row>> {
  const wanted = new Map(
    plugins.flatMap(plugin =>
      Object.entries(PARENTS).flatMap(([field, path]) => {
        const id = idIn(plugin[field])
        return id === undefined ? [] : [[`${field}:${id}`, `/${path}/${id}`] as const]
      }),
    ),
  )
  const found = await Promise.all(
    [...wanted].map(async ([key, path]) => [key, await client.find(path)] as const),
  )
  return new Map(found.flatMap(([key, row]) => (row ? [[key, row] as const] : [])))
}
