import type { Mask } from '../../kong/reconcile/mask.ts'
import { isSame } from '../../kong/reconcile/normalise.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'

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
