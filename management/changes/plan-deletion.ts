import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { deletionOf } from '../../kong/reconcile/diff.ts'
import { KINDS, type KindName, referencesTo } from '../../kong/reconcile/kinds.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import { isOfDiscovery } from '../mirror/discovered.ts'
import type { Operation } from './operation.ts'
import type { PlanState } from './plan-state.ts'

/** Plans the deletion of an entity, and of what Kong deletes along; what keeps Kong from it is a fault. */
export async function planDeletion(
  state: PlanState,
  entity: Current,
  { pointer, expected }: Pick<Operation, 'pointer' | 'expected'>,
): Promise<void> {
  const doomed = new Map<string, Current>()
  await doom(state, entity, doomed, pointer)
  for (const [key, one] of doomed) {
    const { noun } = KINDS[one.kind]
    const label = await state.label(KINDS[one.kind], { ...one.fields, id: one.id })
    if (state.parts.stuck.has(key)) {
      const text = `a ${noun} that goes along could not be put back by an earlier change: retry or resolve that one first`
      state.fault('conflict', pointer, 'stuck', text)
    }
    if (expected && one !== entity && !isOfDiscovery(one.row))
      state.fault(
        'conflict',
        pointer,
        'changed_since',
        `the ${label} was added since; undo that change first`,
      )
    state.add(deletionOf(one, label))
  }
}

async function doom(
  state: PlanState,
  entity: Current,
  doomed: Map<string, Current>,
  pointer: string,
): Promise<void> {
  doomed.set(`${entity.kind}:${entity.id}`, entity)
  for (const { kind, field, onDelete } of referencesTo(entity.kind)) {
    const rows = (await state.parts.source.referring(kind, field, entity.id)).filter(row =>
      stays(state, kind, field, row),
    )
    if (onDelete !== 'cascade') refuse({ state, pointer }, entity, KINDS[kind].noun, rows)
    else
      for (const row of rows)
        if (!doomed.has(`${kind}:${String(row.id)}`))
          await doom(state, state.current(kind, row), doomed, pointer)
  }
  if (entity.kind !== 'ca_certificates') return
  const trusting = await state.parts.source.trusting(entity.id)
  const rows = trusting.filter(({ id }) => state.after('services', id) === undefined)
  refuse({ state, pointer }, entity, 'service', rows)
}

/** Whether an entity will still refer by this field: this change may delete or move it. */
function stays(state: PlanState, kind: KindName, field: string, row: Row): boolean {
  const after = state.after(kind, row.id)
  return after === undefined || (after !== null && idIn(after[field]) === idIn(row[field]))
}

function refuse(
  { state, pointer }: { readonly state: PlanState; readonly pointer: string },
  { kind }: Current,
  noun: string,
  rows: readonly Row[],
): void {
  const [first] = rows
  if (!first) return
  const names = typeof first.name === 'string' ? first.name : String(first.id)
  const count = rows.length === 1 ? `a ${noun} refers` : `${rows.length} ${noun}s refer`
  const text = `${count} to this ${KINDS[kind].noun} (${names}${rows.length > 1 ? ', …' : ''}): delete first, or in the same change`
  state.fault('conflict', pointer, 'referenced', text)
}
