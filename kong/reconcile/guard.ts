import { SluiceError } from '../../foundation/errors.ts'
import type { AdminClient } from '../admin/client.ts'
import { type Change, parentsOf } from './change.ts'
import { listKind } from './collections.ts'
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts'
import { isOurs } from './read.ts'

/**
 * Looks again, right before deletions, whether others' entities belong to what is to be deleted: Kong would delete
 * plugins, credentials and targets together with it.
 *
 * @throws SluiceError SLUICE_APPLY_REFUSED that names them.
 */
export async function refuseCascades(
  client: AdminClient,
  deletions: readonly Change[],
  selectTags: readonly string[],
): Promise<void> {
  const doomed = new Map(deletions.map(change => [`${change.kind}:${change.id}`, change]))
  const parentKinds = new Set(deletions.map(change => change.kind))
  const upstreams = deletions.filter(({ kind }) => kind === 'upstreams').map(({ id }) => id)
  const lists = await Promise.all(
    KIND_NAMES.filter(kind => refersTo(kind, parentKinds)).map(async kind => ({
      kind,
      rows: await listKind(client, kind, upstreams),
    })),
  )
  const found = lists.flatMap(({ kind, rows }) =>
    rows.flatMap(row => {
      const tags = (row.tags as readonly string[] | null | undefined) ?? []
      const parent = parentsOf(row).find(key => doomed.has(key))
      if (parent === undefined || isOurs({ tags }, selectTags)) return []
      return [
        `${KINDS[kind].noun} ${String(row.id)} belongs to ${doomed.get(parent)?.label}, and is not ours`,
      ]
    }),
  )
  if (found.length > 0) throw new SluiceError('SLUICE_APPLY_REFUSED', found.join('\n'))
}

const refersTo = (kind: KindName, parents: ReadonlySet<KindName>): boolean =>
  KINDS[kind].references.some(({ to }) => parents.has(to as KindName))
