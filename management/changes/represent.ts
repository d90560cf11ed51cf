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
