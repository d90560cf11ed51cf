import { irreversibleReason, type Row } from '../../kong/reconcile/change.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Operation } from '../changes/operation.ts'
import { Problem } from '../http/problem.ts'
import type { FoundDrift } from './drift-store.ts'

/**
 * The operation that puts an entity back as the manager knew it before it was changed past it.
 *
 * @param known undefined where the manager knew none.
 * @throws Problem where Kong could not be made to hold it again.
 */
export function restoreOperation(
  { kind, id, action, fields }: FoundDrift,
  known: Current | undefined,
  nowSeconds: number,
): Operation {
  const pointer = ''
  if (action === 'created' || !known) return { action: 'delete', kind, key: id, body: {}, pointer }
  const before = known.fields
  const done = { action: action === 'deleted' ? 'delete' : 'update', kind, fields, before } as const
  const reason = irreversibleReason(done)
  if (reason !== undefined)
    throw new Problem('SLUICE_MANAGER_CONFLICT', 'what was changed cannot be put back', {
      faults: [{ pointer, code: 'irreversible', detail: reason }],
    })
  if (action === 'deleted')
    return { action: 'create', kind, body: { ...before, id, ...ttlOf(known, nowSeconds) }, pointer }
  return { action: 'update', kind, key: id, body: pick(before, fields), pointer }
}

/** What was left of its time goes on. */
const ttlOf = ({ expiresAt }: Current, nowSeconds: number): Row =>
  expiresAt === undefined ? {} : { ttl: Math.max(1, Math.round(expiresAt - nowSeconds)) }

const pick = (row: Row, names: readonly string[]): Row =>
  Object.fromEntries(names.map(name => [name, row[name] ?? null]))
