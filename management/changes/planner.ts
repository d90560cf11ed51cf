import { SluiceError } from '../../foundation/errors.ts'
import { withNameList } from '../../kong/entities/certificate.ts'
import { KIND_NAMES, KINDS } from '../../kong/reconcile/kinds.ts'
import { orderChanges } from '../../kong/reconcile/order.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'
import { changedSince } from './changed-since.ts'
import type { KindedFault } from './fault.ts'
import { AskedOnce, foresee } from './foresight.ts'
import type { Operation } from './operation.ts'
import { planDeletion } from './plan-deletion.ts'
import { planServerNames } from './plan-server-names.ts'
import { type PlanParts, PlanState } from './plan-state.ts'
import { planCreation, planUpdate, type Target } from './plan-write.ts'

/** What would be done, or what is wrong. */
export interface Planned {
  readonly steps: readonly Step[]
  /** The entity of each operation, in their order; undefined where something is wrong with it. */
  readonly targets: readonly (Target | undefined)[]
  readonly faults: readonly KindedFault[]
}

/** Finds out what operations mean for Kong, and all that is wrong with them. Writes nothing. */
export async function planOperations(operations: readonly Operation[], parts: PlanParts): Promise<Planned> {
  const source = new AskedOnce(parts.source)
  await foresee(operations, source)
  const state = new PlanState({ ...parts, source })
  const targets: (Target | undefined)[] = operations.map(() => undefined)
  const order = operations.map((operation, i) => ({ operation, i })).sort(byDependence)
  for (const { operation, i } of order) targets[i] = await planOne(state, operation)
  if (state.faults.length > 0) return { steps: [], targets, faults: state.faults }
  const changes = parts.noteLosses ? await parts.noteLosses(state.changes) : state.changes
  try {
    return { steps: orderChanges(changes), targets, faults: [] }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return {
      steps: [],
      targets,
      faults: [{ kind: 'conflict', pointer: '', code: 'swapped', detail: error.message }],
    }
  }
}

async function planOne(state: PlanState, operation: Operation): Promise<Target | undefined> {
  const { kind, key, action, pointer } = operation
  const schema = state.parts.schemas.of(kind)
  if (!schema) {
    state.fault('content', pointer, 'unknown_kind', `this Kong knows no ${KINDS[kind].noun}s`)
    return undefined
  }
  const current = key === undefined ? undefined : await state.find(kind, key)
  if (!mayGoOn(state, operation, current)) return undefined
  if (action === 'delete' && current) {
    await planDeletion(state, current, operation)
    return { kind, id: current.id }
  }
  const write = { operation: asKongReads(operation), kind: KINDS[kind], schema }
  const target = await (current ? planUpdate(state, write, current) : planCreation(state, write))
  if (!target && !current) state.noteFailed(KINDS[kind], operation.body)
  if (target && kind === 'certificates') await planServerNames(state, target, write.operation)
  return target
}

/** The Admin API changes bodies of certificates with an id or a name in the path. */
const asKongReads = (operation: Operation): Operation =>
  operation.kind === 'certificates' && operation.key !== undefined
    ? { ...operation, body: withNameList(operation.body) }
    : operation

/** Whether there is something to plan: looks at what must be so before anything is changed. */
function mayGoOn(
  state: PlanState,
  { kind, key, action, ifMatch, expected, pointer }: Operation,
  current: Current | undefined,
): boolean {
  const { noun } = KINDS[kind]
  if (ifMatch) {
    const etag = current && state.parts.mirroring.etagOf(current)
    if (etag === undefined || !ifMatch.some(one => one === '*' || one === etag))
      return state.fault(
        'precondition',
        pointer,
        'if_match',
        `If-Match: the ${noun} is not in that state any more`,
      )
  }
  if (!current) {
    if (action !== 'update' && action !== 'delete') return true
    if (expected && action === 'delete') return false
    if (expected) return state.fault('conflict', pointer, 'changed_since', goneSince(noun, key))
    return state.fault('missing', pointer, 'not_found', `there is no ${noun} ${JSON.stringify(key)}`)
  }
  const changed = expected ? changedSince(current, expected, state.parts.schemas) : []
  if (changed.length > 0) {
    const text = `the ${noun} ${JSON.stringify(current.id)} was changed since: ${changed.join(', ')}; undo the later change first`
    return state.fault('conflict', pointer, 'changed_since', text)
  }
  if (state.parts.stuck.has(`${kind}:${current.id}`)) {
    const text = `the ${noun} could not be put back by an earlier change: retry or resolve that one first`
    return state.fault('conflict', pointer, 'stuck', text)
  }
  if (state.after(kind, current.id) !== undefined)
    return state.fault('content', pointer, 'twice', `the ${noun} is named by two operations of this change`)
  return true
}

const goneSince = (noun: string, key: string | undefined) =>
  `the ${noun} ${JSON.stringify(key)} was deleted since; undo that change first`

interface Placed {
  readonly operation: Operation
  readonly i: number
}

/** Parents are written before those that refer to them, and deleted after; a deletion frees what it holds first. */
function byDependence(a: Placed, b: Placed): number {
  const rank = ({ operation: { action, kind } }: Placed) =>
    action === 'delete' ? -KIND_NAMES.indexOf(kind) - 1 : KIND_NAMES.indexOf(kind)
  return rank(a) - rank(b) || a.i - b.i
}
