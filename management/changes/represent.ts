import type { Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import type { Mask } from '../../kong/reconcile/mask.ts'
import { isSame } from '../../kong/reconcile/normalise.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'
import type { ChangeRow } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'
import type { ShownStep } from './step-store.ts'

/** A change as the API shows it, secrets masked. */
export async function changeBody(change: ChangeRow, store: ChangeStore): Promise<Record<string, unknown>> {
  const [steps, stuck, undoneBy] = await Promise.all([
    store.steps.shown(change.id),
    change.state === 'stuck' ? store.stuckOf(change.id) : [],
    change.state === 'applied' ? store.undoneBy(change.id) : undefined,
  ])
  return {
    ...changeSummary(change),
    ...(undoneBy !== undefined && { undone_by: undoneBy }),
    steps: steps.map(stepBody),
    ...(stuck.length > 0 && { stuck: stuck.map(one => ({ ...one, kind: pathOf(one.kind) })) }),
  }
}

const pathOf = (kind: KindName): string => KINDS[kind].path

function stepBody({ kind, before, after, fields, ...step }: ShownStep): Record<string, unknown> {
  return {
    ...step,
    kind: pathOf(kind),
    changes: fieldChanges({ action: step.action, before, after, fields }),
  }
}

interface Images extends Pick<ShownStep, 'action' | 'fields'> {
  readonly before: Row | undefined
  readonly after: Row | undefined
}

/** What differs, field by field: of an update the fields that change, else all that is not null. */
function fieldChanges({ action, before, after, fields }: Images) {
  const names = action === 'update' ? fields : Object.keys(after ?? before ?? {})
  return names.flatMap(field => {
    const [old, fresh] = [before?.[field] ?? null, after?.[field] ?? null]
    return action !== 'update' && isSame(old, fresh, undefined) ? [] : [{ field, before: old, after: fresh }]
  })
}

/** Without its steps. */
export function changeSummary(change: ChangeRow): Record<string, unknown> {
  const {
    id,
    state,
    actor,
    reason,
    origin,
    undoOf,
    createdAt,
    begunAt,
    endedAt,
    attempts,
    nextAt,
    failure,
    resolution,
  } = change
  return {
    id,
    state,
    actor,
    reason,
    origin,
    undo_of: undoOf,
    created_at: createdAt,
    begun_at: begunAt,
    ended_at: endedAt,
    ...(attempts > 0 && { attempts, next_attempt_at: endedAt ? null : nextAt }),
    ...(failure && { failure }),
    ...(resolution && { resolution }),
  }
}

/** What would be done, field by field, secrets masked. */
export function planBody(steps: readonly Step[], mask: Mask): Record<string, unknown> {
  return {
    steps: steps.map(({ seq, change, irreversible }) => {
      const { action, kind, id, label, fields } = change
      const before = change.before && mask.row(kind, change.before)
      const after = change.after && mask.row(kind, change.after)
      return {
        ...{ seq, action, kind: pathOf(kind), id, label },
        changes: fieldChanges({ action, before, after, fields }),
        ...(irreversible !== undefined && { irreversible }),
      }
    }),
  }
}
