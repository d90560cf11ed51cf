import { KINDS } from '../../kong/reconcile/kinds.ts'
import { pointerTo } from './fault.ts'
import type { Operation } from './operation.ts'
import { planDeletion } from './plan-deletion.ts'
import type { PlanState } from './plan-state.ts'
import { planCreation, type Target } from './plan-write.ts'

/**
 * Server names with a certificate, as Kong takes them: names of its own that are left out are deleted, and a whole
 * certificate (PUT) without any has none.
 */
export async function planServerNames(
  state: PlanState,
  { id }: Target,
  { action, body: { snis }, pointer }: Operation,
): Promise<void> {
  const schema = state.parts.schemas.of('snis')
  if ((snis === undefined && action !== 'replace') || !schema) return
  const names = (snis ?? []) as readonly string[]
  const place = pointerTo(pointer, ['snis'])
  const present = await state.referring('snis', 'certificate', id)
  for (const row of present)
    if (!names.includes(String(row.name)))
      await planDeletion(state, state.current('snis', row), { pointer: place })
  for (const name of names) {
    if (present.some(row => row.name === name)) continue
    const body = { name, certificate: { id } }
    const operation = { action: 'create' as const, kind: 'snis' as const, body, pointer: place }
    await planCreation(state, { operation, kind: KINDS.snis, schema })
  }
}
