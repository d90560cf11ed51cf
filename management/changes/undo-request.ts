import type { Change, Row } from '../../kong/reconcile/change.ts'
import { Problem } from '../http/problem.ts'
import type { Operation } from './operation.ts'
import type { StoredStep } from './step-store.ts'

/** An entity before and after a change, whatever happened to it in between. */
interface Span {
  readonly first: Change
  readonly last: Change
  readonly fields: ReadonlySet<string>
}

/**
 * The operations that take an applied change back. Each expects the fields that it puts back, and a deletion the whole
 * entity, as the change has left them.
 *
 * @param nowSeconds Kong's clock; what has expired meanwhile does not come back.
 * @throws Problem where something could not be put back.
 */
export function undoOperations(steps: readonly StoredStep[], nowSeconds: number): readonly Operation[] {
  const irreversible = steps.filter(({ step }) => step.irreversible !== undefined)
  if (irreversible.length > 0)
    throw new Problem('SLUICE_MANAGER_CONFLICT', 'the change holds what cannot be undone', {
      faults: irreversible.map(({ step }) => ({
        pointer: `/steps/${step.seq}`,
        code: 'irreversible',
        detail: `${step.change.label}: ${step.irreversible}`,
      })),
    })
  const spans = new Map<string, Span>()
  for (const { step } of steps) {
    const key = `${step.change.kind}:${step.change.id}`
    const known = spans.get(key)
    const fields = new Set([...(known?.fields ?? []), ...step.change.fields])
    spans.set(key, { first: known?.first ?? step.change, last: step.change, fields })
  }
  return [...spans.values()].flatMap(span => {
    const operation = reverse(span, nowSeconds)
    return operation ? [{ ...operation, pointer: '' }] : []
  })
}

function reverse({ first, last, fields }: Span, nowSeconds: number): Omit<Operation, 'pointer'> | undefined {
  const { kind, id } = first
  if (!first.before) return last.after && { action: 'delete', kind, key: id, body: {}, expected: last.after }
  if (!last.after) {
    const ttl = first.expiresAt === undefined ? undefined : Math.round(first.expiresAt - nowSeconds)
    if (ttl !== undefined && ttl <= 0) return undefined
    return { action: 'create', kind, body: { ...first.before, id, ...(ttl !== undefined && { ttl }) } }
  }
  return {
    action: 'update',
    kind,
    key: id,
    body: pick(first.before, fields),
    expected: pick(last.after, fields),
  }
}

const pick = (row: Row, names: ReadonlySet<string>): Row =>
  Object.fromEntries([...names].map(name => [name, row[name] ?? null]))
