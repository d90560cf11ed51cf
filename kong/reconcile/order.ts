import { SluiceError } from '../../foundation/errors.ts'
import { type Change, irreversibleReason, parentsOf } from './change.ts'
import { creationOf, deletionOf } from './diff.ts'
import { followersOf } from './followers.ts'
import { identityKey } from './identity.ts'
import { KINDS } from './kinds.ts'
import type { Current } from './read.ts'
import type { Desired } from './resolve.ts'
import type { Step } from './steps/steps.ts'

/**
 * Puts changes in an order in which Kong takes them.
 *
 * - An entity is created before those that refer to it, and deleted after those that referred to it.
 * - Who takes a unique value waits for who gives it up: a rename deletes first.
 * - Deletions that nothing waits for come in a later stage, so that an earlier failure deletes nothing; the last stage
 *   holds what cannot be undone.
 * - Where changes wait for each other in a circle (two entities swap their names), one is deleted and created again,
 *   with everything that Kong would delete together with it.
 *
 * @param whole all that is desired and all that Kong holds, without which no circle can be broken.
 * @throws SluiceError SLUICE_APPLY_REFUSED when such a circle contains an entity that is not ours, or cannot be broken.
 */
export function orderChanges(
  changes: readonly Change[],
  whole?: { readonly desired: readonly Desired[]; readonly current: readonly Current[] },
): readonly Step[] {
  let remaining = [...changes]
  for (;;) {
    const nodes = connect(remaining)
    const circle = findCircle(nodes)
    if (!circle) return toSteps(toStages(nodes))
    const update = circle.find(node => node.change.action === 'update')
    // Creations and deletions alone make no circle: references have none.
    if (!update) throw new Error(`a circle of changes: ${circle.map(n => n.change.label).join(', ')}`)
    if (!whole)
      throw new SluiceError(
        'SLUICE_APPLY_REFUSED',
        `${circle.map(({ change }) => change.label).join(' and ')} take each other's unique values: change one of them first`,
      )
    remaining = replaceEntity(update.change, remaining, whole.desired, whole.current)
  }
}

/** A change with those that come before it. */
interface Node {
  readonly change: Change
  readonly after: Set<Node>
}

const keyOf = ({ kind, id }: { kind: string; id: string }) => `${kind}:${id}`

function connect(changes: readonly Change[]): readonly Node[] {
  const steps = changes.map((change): Node => ({ change, after: new Set() }))
  const writers = new Map<string, Node>()
  const deleters = new Map<string, Node>()
  const releasers = new Map<string, Node>()
  for (const step of steps) {
    const { change } = step
    if (change.action === 'delete') deleters.set(keyOf(change), step)
    else writers.set(keyOf(change), step)
    for (const value of uniqueValues(change, change.before)) {
      if (!uniqueValues(change, change.after).includes(value)) releasers.set(value, step)
    }
  }
  for (const step of steps) {
    const { change } = step
    // The same entity, created again with the same id.
    if (change.action === 'create') link(step, deleters.get(keyOf(change)))
    for (const parent of parentsOf(change.after)) {
      const writer = writers.get(parent)
      if (writer?.change.action === 'create') link(step, writer)
    }
    // Whoever leaves a parent, by being deleted or by moving, does so before the parent goes.
    const stays = new Set(parentsOf(change.after))
    for (const parent of parentsOf(change.before)) {
      const deleter = deleters.get(parent)
      if (deleter && (change.action === 'delete' || !stays.has(parent))) link(deleter, step)
    }
    for (const value of uniqueValues(change, change.after)) link(step, releasers.get(value))
  }
  return steps
}

function link(step: Node, before: Node | undefined): void {
  if (before && before !== step) step.after.add(before)
}

function uniqueValues({ kind }: Change, row: Change['before']): readonly string[] {
  if (!row) return []
  return KINDS[kind].declaredUnique.flatMap(fields => identityKey(kind, fields, row) ?? [])
}

/** Steps of one circle of waiting, or nothing. */
function findCircle(steps: readonly Node[]): readonly Node[] | undefined {
  const state = new Map<Node, 'open' | 'done'>()
  for (const start of steps) {
    const trail: { step: Node; rest: Node[] }[] = []
    const enter = (step: Node) => {
      state.set(step, 'open')
      trail.push({ step, rest: [...step.after] })
    }
    if (!state.has(start)) enter(start)
    while (trail.length > 0) {
      const top = trail.at(-1)!
      const next = top.rest.pop()
      if (!next) {
        state.set(top.step, 'done')
        trail.pop()
      } else if (state.get(next) === 'open') {
        return trail.slice(trail.findIndex(({ step }) => step === next)).map(({ step }) => step)
      } else if (!state.has(next)) enter(next)
    }
  }
  return undefined
}

/** Turns an update into a deletion and a creation, for the entity and for all that hangs on it in Kong. */
function replaceEntity(
  update: Change,
  changes: readonly Change[],
  desired: readonly Desired[],
  current: readonly Current[],
): Change[] {
  const doomed = new Set([keyOf(update)])
  for (let size = 0; size < doomed.size; ) {
    size = doomed.size
    for (const entity of current)
      if (parentsOf(entity.fields).some(parent => doomed.has(parent))) doomed.add(keyOf(entity))
  }
  const wanted = new Map(desired.map(entity => [keyOf(entity), entity]))
  const out = changes.filter(change => change.action !== 'update' || !doomed.has(keyOf(change)))
  const handled = new Set(out.map(keyOf))
  for (const entity of current) {
    const key = keyOf(entity)
    if (!doomed.has(key) || handled.has(key)) continue
    const again = wanted.get(key)
    if (!again)
      throw new SluiceError(
        'SLUICE_APPLY_REFUSED',
        `${update.label} must be deleted and created again, but a ${KINDS[entity.kind].noun} that is not ours (${entity.id}) belongs to it`,
      )
    out.push(deletionOf(entity, again.label), creationOf(again, Object.keys(again.body)))
  }
  return out
}

/** @returns nodes by stages, in each of them before those that wait for them. */
function toStages(steps: readonly Node[]): readonly (readonly Node[])[] {
  const needed = closure(steps.filter(step => step.change.action !== 'delete'))
  const early: Node[] = []
  const late: Node[] = []
  const last: Node[] = []
  const final = new Set<Node>()
  // Steps come before those that wait for them, so that `final` spreads upwards in one pass.
  for (const step of sorted(steps)) {
    const { change } = step
    const isFinal =
      irreversibleReason(change) !== undefined || [...step.after].some(before => final.has(before))
    if (needed.has(step)) early.push(step)
    else if (isFinal) {
      final.add(step)
      last.push(step)
    } else if (change.action === 'delete') late.push(step)
    else early.push(step)
  }
  return [early, late, last].filter(stage => stage.length > 0)
}

function toSteps(stages: readonly (readonly Node[])[]): readonly Step[] {
  const seqs = new Map(stages.flat().map((node, seq) => [node, seq]))
  return stages.flatMap((nodes, stage) =>
    nodes.map(node => {
      const irreversible = irreversibleReason(node.change)
      return {
        seq: seqs.get(node) ?? 0,
        stage,
        after: [...node.after].flatMap(before => seqs.get(before) ?? []),
        change: node.change,
        ...(irreversible !== undefined && { irreversible }),
      }
    }),
  )
}

/** All that the given steps wait for. */
function closure(starts: readonly Node[]): ReadonlySet<Node> {
  const found = new Set<Node>()
  const open = starts.flatMap(step => [...step.after])
  for (let step = open.pop(); step; step = open.pop()) {
    if (found.has(step)) continue
    found.add(step)
    open.push(...step.after)
  }
  return found
}

/** Each step behind those that it waits for. */
function sorted(steps: readonly Node[]): readonly Node[] {
  const waiting = new Map(steps.map(step => [step, step.after.size]))
  const followers = followersOf(steps, ({ after }) => after)
  const out = steps.filter(step => step.after.size === 0)
  for (const step of out)
    for (const follower of followers.get(step) ?? []) {
      const left = waiting.get(follower)! - 1
      waiting.set(follower, left)
      if (left === 0) out.push(follower)
    }
  return out
}
