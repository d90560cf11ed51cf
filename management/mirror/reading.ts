import { AdminRefused } from '../../kong/admin/answer.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { KIND_NAMES } from '../../kong/reconcile/kinds.ts'
import { type Current, isWithoutDatabase, readRows } from '../../kong/reconcile/read.ts'
import type { KongSchemas } from '../schemas.ts'
import type { Sealer } from '../sealer.ts'
import { Mirroring } from './mirrored.ts'

/** All that Kong holds. */
export interface Reading {
  readonly entities: readonly Current[]
  readonly mirroring: Mirroring
  /** Why this Kong can only be read; undefined where it can be changed. */
  readonly readOnly: string | undefined
}

/** Reads Kong as a whole: some requests for each kind, and one for each upstream. */
export async function readKong(client: AdminClient, schemas: KongSchemas, sealer: Sealer): Promise<Reading> {
  const [rows, readOnly] = await Promise.all([readRows(client), readOnlyReason(client)])
  const now = client.now()
  const namesOf = (kind: 'plugins' | 'vaults') => [
    ...new Set((rows.get(kind) ?? []).map(({ name }) => String(name))),
  ]
  const mirroring = new Mirroring(
    await schemas.with({ plugins: namesOf('plugins'), vaults: namesOf('vaults') }),
    sealer,
  )
  const entities = KIND_NAMES.flatMap(kind =>
    (rows.get(kind) ?? []).map(row => mirroring.current(kind, row, now)),
  )
  return { entities, mirroring, readOnly }
}

/** Why nothing can be changed in this Kong by the manager. */
export async function readOnlyReason(client: AdminClient): Promise<string | undefined> {
  if (await isWithoutDatabase(client))
    return 'this Kong has no database: its configuration is replaced as a whole, by `sluice apply` or its own file'
  return (await readsReplica(client))
    ? 'this Kong reads from a replica (pg_ro_host): what was just written could not be read again, so nothing is changed'
    : undefined
}

async function readsReplica(client: AdminClient): Promise<boolean> {
  try {
    const { configuration } = (await client.request('GET', '/')) as {
      configuration?: { pg_ro_host?: unknown }
    }
    return typeof configuration?.pg_ro_host === 'string' && configuration.pg_ro_host !== ''
  } catch (error) {
    // While it runs a plugin server by its start command, Kong 3.9 answers 500 here.
    if (error instanceof AdminRefused) return false
    throw error
  }
}
