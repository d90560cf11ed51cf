import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Reading } from './reading.ts'
import type { Seen } from './store.ts'

/** Where a reading of Kong and the mirror are not the same: to be looked at once more. */
export interface Difference {
  readonly kind: KindName
  readonly id: string
  /** As it was read; undefined where Kong has no such entity. */
  readonly found: Row | undefined
}

/**
 * Compares a reading with the mirror. What a change has touched since the reading began is left out.
 *
 * @param beganAt by PostgreSQL's clock.
 */
export function findDifferences(
  { entities, mirroring }: Reading,
  seen: readonly Seen[],
  beganAt: Date,
): readonly Difference[] {
  const keyOf = ({ kind, id }: { readonly kind: string; readonly id: string }) => `${kind}:${id}`
  const known = new Map(seen.map(one => [keyOf(one), one]))
  const found = new Set(entities.map(keyOf))
  const wasTouched = (one: Seen | undefined) => one !== undefined && one.changed_at >= beganAt
  const differing = entities.filter(one => {
    const mirrored = known.get(keyOf(one))
    return !wasTouched(mirrored) && mirrored?.digest !== mirroring.digestOf(one)
  })
  const gone = seen.filter(one => !found.has(keyOf(one)) && !wasTouched(one))
  return [
    ...differing.map(({ kind, id, row }) => ({ kind, id, found: row })),
    ...gone.map(({ kind, id }) => ({ kind, id, found: undefined })),
  ]
}
