import type { AdminClient } from '../../kong/admin/client.ts'
import { KIND_NAMES } from '../../kong/reconcile/kinds.ts'
import { type Current, readRows } from '../../kong/reconcile/read.ts'
import type { KongSchemas } from '../schemas.ts'
import type { Sealer } from '../sealer.ts'
import { Mirroring } from './mirrored.ts'

/** All that Kong holds. */
export interface Reading {
  readonly entities: readonly Current[]
  readonly mirroring: Mirroring
}

/** Reads Kong as a whole: some requests for each kind, and one for each upstream. */
export async function readKong(client: AdminClient, schemas: KongSchemas, sealer: Sealer): Promise<Reading> {
  const rows = await readRows(client)
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
  return { entities, mirroring }
}
