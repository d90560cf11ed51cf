import { isObject } from '../schema/spec.ts'
import { type Change, irreversibleReason } from './change.ts'
import type { Mask } from './mask.ts'
import { isSame } from './normalise.ts'
import type { Plan } from './plan.ts'

const SIGNS = { create: '+', update: '~', delete: '-' } as const
const COLOURS = { create: '\u001b[32m', update: '\u001b[33m', delete: '\u001b[31m' } as const
const PLAIN = '\u001b[0m'

export interface RenderOptions {
  readonly isColoured: boolean
}

/** One change in one line. */
export function renderHead(change: Change, { isColoured }: RenderOptions): string {
  const head = `${SIGNS[change.action]} ${change.label}`
  return isColoured ? `${COLOURS[change.action]}${head}${PLAIN}` : head
}

/** One change with its fields, secrets masked. What a new entity takes from defaults is not shown. */
export function renderChange(change: Change, mask: Mask, options: RenderOptions): string {
  const { action, kind, before, after, body, fields } = change
  const reason = irreversibleReason(change)
  const lines = [
    renderHead(change, options),
    ...(reason === undefined ? [] : [`    cannot be undone: ${reason}`]),
  ]
  if (action === 'create') {
    const shown = mask.row(kind, body)
    for (const name of fields)
      if (!isInHead(name, body[name])) lines.push(`    ${name}: ${show(shown[name])}`)
  } else if (before && after) {
    const [old, fresh] = [mask.row(kind, before), mask.row(kind, after)]
    for (const leaf of fields.flatMap(name =>
      leaves(name, {
        before: before[name],
        after: after[name],
        shown: { before: old[name], after: fresh[name] },
      }),
    ))
      lines.push(`    ${leaf.path}: ${show(leaf.before)} → ${show(leaf.after)}`)
  }
  return lines.join('\n')
}

/** The label names the entity and those that it belongs to; every new entity bears the select tags. */
const isInHead = (name: string, value: unknown): boolean =>
  name === 'name' || name === 'tags' || (isObject(value) && Object.keys(value).join() === 'id')

/** How many entities the first lines of a plan name. */
const HEAD_NAMES = 10

/** What will be deleted, and by which tags it was found: shown before anything else. */
export function renderDeletions({ changes, selectTags }: Pick<Plan, 'changes' | 'selectTags'>): string[] {
  const labels = changes.flatMap(({ action, label }) => (action === 'delete' ? [label] : []))
  if (labels.length === 0) return []
  const tags = selectTags.length === 1 ? `the tag ${selectTags[0]}` : `the tags ${selectTags.join(', ')}`
  const rest = labels.length - HEAD_NAMES
  return [
    `Deletes ${labels.length} ${labels.length === 1 ? 'entity' : 'entities'} with ${tags}:`,
    ...labels.slice(0, HEAD_NAMES).map(label => `  ${label}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ]
}

/** The whole plan, for people. */
export function renderPlan(plan: Plan, options: RenderOptions): string {
  const head = renderDeletions(plan)
  const blocks = plan.changes.map(change => renderChange(change, plan.mask, options))
  return [...head, ...blocks, summaryLine(plan)].join('\n')
}

/** @param isDone whether the changes have been made. */
export function summaryLine(
  { changes, unchanged }: Pick<Plan, 'changes' | 'unchanged'>,
  isDone = false,
): string {
  if (changes.length === 0)
    return `No changes: ${unchanged === 1 ? '1 entity is' : `${unchanged} entities are`} as declared.`
  const { create, update, delete: removed } = countActions(changes)
  const [created, changed, deleted] = isDone
    ? ['created', 'changed', 'deleted']
    : ['to create', 'to change', 'to delete']
  return `${create} ${created}, ${update} ${changed}, ${removed} ${deleted}, ${unchanged} unchanged.`
}

export function countActions(changes: readonly Change[]) {
  const count = (action: Change['action']) => changes.filter(change => change.action === action).length
  return { create: count('create'), update: count('update'), delete: count('delete') }
}

/** The whole plan, for programs; secrets masked. */
export function planToJson(plan: Plan): Record<string, unknown> {
  return {
    changes: plan.changes.map(change => ({
      action: change.action,
      kind: change.kind,
      id: change.id,
      label: change.label,
      fields: change.fields,
      ...irreversibleJson(change),
      ...(change.before && { before: plan.mask.row(change.kind, change.before) }),
      ...(change.after && { after: plan.mask.row(change.kind, change.after) }),
    })),
    select_tags: plan.selectTags,
    warnings: plan.warnings,
    summary: { ...countActions(plan.changes), unchanged: plan.unchanged },
  }
}

function irreversibleJson(change: Change): { readonly irreversible?: string } {
  const irreversible = irreversibleReason(change)
  return irreversible === undefined ? {} : { irreversible }
}

interface Leaf {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** Both sides of a field: what they are, and how they are shown. */
interface Sides {
  readonly before: unknown
  readonly after: unknown
  readonly shown: { readonly before: unknown; readonly after: unknown }
}

/** The parts of a value that differ: records field by field, all else as a whole. */
function leaves(path: string, { before, after, shown }: Sides): readonly Leaf[] {
  if (!isObject(before) || !isObject(after)) return [{ path, ...shown }]
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names]
    .filter(name => !isSame(before[name], after[name], undefined))
    .flatMap(name =>
      leaves(`${path}.${name}`, {
        before: before[name],
        after: after[name],
        shown: { before: partOf(shown.before, name), after: partOf(shown.after, name) },
      }),
    )
}

const partOf = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : value)

const show = (value: unknown): string => JSON.stringify(value ?? null)
