import { AdminRefused } from '../admin/answer.ts'
import { mapAtOnce } from '../admin/at-once.ts'
import type { AdminClient } from '../admin/client.ts'
import type { Row } from './change.ts'
import { listKind } from './collections.ts'
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts'
import { normaliseCurrent } from './normalise.ts'
import { createSchemas, fetchSchemas, type Schemas } from './schemas.ts'

/** An entity that Kong holds. */
export interface Current {
  readonly kind: KindName
  readonly id: string
  /** As Kong reported it. */
  readonly row: Row
  /** Complete and comparable: without ids and times. */
  readonly fields: Row
  readonly tags: readonly string[]
  /** When Kong will drop it by itself, seconds since the epoch by Kong's clock. */
  readonly expiresAt?: number
}

/** Whether an entity of Kong is ours to change. */
export const isOurs = (current: Pick<Current, 'tags'>, selectTags: readonly string[]): boolean =>
  selectTags.every(tag => current.tags.includes(tag))

export interface CurrentState {
  readonly entities: readonly Current[]
  readonly schemas: Schemas
  /** The Admin API refuses single changes; the whole state is replaced through `/config`. */
  readonly isDbLess: boolean
}

/** Names whose schemas are needed although Kong may hold no such entity yet. */
export interface WantedSchemas {
  readonly plugins: readonly string[]
  readonly vaults: readonly string[]
}

/**
 * Reads everything that Kong holds, others' entities included: a name that is taken already is reported before
 * anything is written, and a reference may point to what is not ours.
 */
export async function readState(client: AdminClient, wanted: WantedSchemas): Promise<CurrentState> {
  const [isDbLess, rows] = await Promise.all([isWithoutDatabase(client), readRows(client)])
  const readAt = client.now()
  const namesOf = (kind: KindName) => (rows.get(kind) ?? []).map(row => String(row.name))
  const specs = await fetchSchemas(
    client,
    [...wanted.plugins, ...namesOf('plugins')],
    [...wanted.vaults, ...namesOf('vaults')],
  )
  const schemas = createSchemas(specs)
  const entities = KIND_NAMES.flatMap(kind =>
    (rows.get(kind) ?? []).map(row => ({
      kind,
      id: String(row.id),
      row,
      fields: normaliseCurrent(kind, row, schemas),
      tags: (row.tags as readonly string[] | null | undefined) ?? [],
      // Kong reports the seconds that are left.
      ...(typeof row.ttl === 'number' && { expiresAt: readAt + row.ttl }),
    })),
  )
  return { entities, schemas, isDbLess }
}

/** `/config` is served by a Kong without a database only. */
export async function isWithoutDatabase(client: Pick<AdminClient, 'request'>): Promise<boolean> {
  try {
    await client.request('GET', '/config')
    return true
  } catch (error) {
    if (error instanceof AdminRefused && error.status < 500) return false
    throw error
  }
}

/** All that Kong holds, as it reports it. */
export async function readRows(client: AdminClient): Promise<ReadonlyMap<KindName, readonly Row[]>> {
  const kinds = KIND_NAMES.filter(kind => KINDS[kind].within === undefined)
  const rows = new Map(
    await mapAtOnce(kinds, async kind => [kind, await listKind(client, kind, [])] as const),
  )
  const upstreams = (rows.get('upstreams') ?? []).map(({ id }) => String(id))
  rows.set('targets', await listKind(client, 'targets', upstreams))
  return rows
}
