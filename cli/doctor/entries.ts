import { AdminClient, type Row } from '../../kong/admin/client.ts'
import { KINDS } from '../../kong/reconcile/kinds.ts'
import { labelOf } from '../../kong/reconcile/label.ts'
import { COMPOSED, findWarnings } from '../../kong/reconcile/warnings.ts'
import { type Check, ok, warn } from './check.ts'

const PARENTS = { service: 'services', route: 'routes', consumer: 'consumers' } as const

/** The plugin entries in Kong: whether a more specific one of `sluice` switches off a member that a general one has. */
export const checkEntries: Check = async ({ adminUrl }) => {
  if (adminUrl === undefined) return []
  const client = new AdminClient({ url: adminUrl, timeoutMs: 5000 })
  try {
    const rows = (await client.list('/plugins')) ?? []
    // Only beside `sluice` can entries be in each other's way.
    if (!rows.some(row => row.name === COMPOSED)) return []
    const parents = await fetchParents(client, rows)
    const nameOf = (field: string, id: string) => {
      const row = parents.get(`${field}:${id}`)
      return (row?.name ?? row?.username ?? undefined) as string | undefined
    }
    const entries = rows.map(row => ({ fields: row, label: labelOf(KINDS.plugins, row, nameOf) }))
    const serviceOf = (route: string) =>
      (parents.get(`route:${route}`)?.service as { id?: string } | null | undefined)?.id
    const warnings = findWarnings(entries, serviceOf)
    if (warnings.length === 0) return [ok('kong: entries', 'no entry of sluice loses a member')]
    return warnings.map(text =>
      warn(
        'kong: entries',
        text,
        'Kong runs the most specific entry alone: repeat the member there, or keep one of the two.',
      ),
    )
  } finally {
    await client.close()
  }
}

async function fetchParents(client: AdminClient, plugins: readonly Row[]): Promise<ReadonlyMap<string, Row>> {
  const wanted = new Map(
    plugins.flatMap(plugin =>
      Object.entries(PARENTS).flatMap(([field, path]) => {
        const id = (plugin[field] as { id?: string } | null | undefined)?.id
        return id === undefined ? [] : [[`${field}:${id}`, `/${path}/${id}`] as const]
      }),
    ),
  )
  const found = await Promise.all(
    [...wanted].map(async ([key, path]) => [key, await client.find(path)] as const),
  )
  return new Map(found.flatMap(([key, row]) => (row ? [[key, row] as const] : [])))
}
