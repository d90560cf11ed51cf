import { AdminRefused, noAdminApi } from '../admin/answer.ts'
import { mapAtOnce } from '../admin/at-once.ts'
import type { AdminClient } from '../admin/client.ts'
import type { Row } from './change.ts'
import { KINDS, type KindName } from './kinds.ts'

/** Collections that every Kong has; others depend on its version and settings. */
const EVERYWHERE: readonly KindName[] = ['services', 'routes', 'consumers', 'plugins', 'upstreams']

/** Entities of the kinds that are reached through their owners only; of all others all that Kong holds. */
export async function listKind(
  client: AdminClient,
  kind: KindName,
  ownerIds: readonly string[],
): Promise<readonly Row[]> {
  const { within, path } = KINDS[kind]
  const paths = within === undefined ? [`/${path}`] : ownerIds.map(id => `/upstreams/${id}/${path}`)
  const lists = await mapAtOnce(paths, one => listPath(client, kind, one))
  return lists.flat()
}

async function listPath(client: AdminClient, kind: KindName, path: string): Promise<readonly Row[]> {
  try {
    const rows = await client.list(path)
    // A 404 of another server does not mean that Kong is empty.
    if (!rows && EVERYWHERE.includes(kind)) throw noAdminApi(client.url, path)
    return rows ?? []
  } catch (error) {
    // Without `wasm = on` there is no such collection: Kong answers 400.
    const isOff = kind === 'filter_chains' && error instanceof AdminRefused && error.status === 400
    if (isOff) return []
    throw error
  }
}
