import type { Mask } from '../../kong/reconcile/mask.ts'
import { isSame } from '../../kong/reconcile/normalise.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'
import type { ChangeRow } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'

/** A change as the API shows it, secrets masked. */
export async function changeBody(change: ChangeRow, store: ChangeStore): Promise<Record<string, unknown>> {
  const [steps, stuck] = await Promise.all([
    store.shownSteps(change.id),
    change.state === 'stuck' ? store.stuckOf(change.id) : [],
  ])
  return { ...changeSummary(change), steps, ...(stuck.length > 0 && { stuck }) }
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
      const before = change.before && mask.row(change.kind, change.before)
      const after = change.after && mask.row(change.kind, change.after)
      const names = change.action === 'update' ? change.fields : Object.keys(after ?? before ?? {})
      const fields = names.flatMap(name =>
        change.action !== 'update' && isSame(before?.[name], after?.[name], undefined)
          ? []
          : [{ field: name, before: before?.[name] ?? null, after: after?.[name] ?? null }],
      )
      const { action, kind, id, label } = change
      return {
        seq,
        action,
        kind,
        id,
        label,
        changes: fields,
        ...(irreversible !== undefined && { irreversible }),
      }
    }),
  }
}
