import { type Change, parentsOf, type Row } from './change.ts'
import { KINDS, PARENTS_OF } from './kinds.ts'
import { labelOf } from './label.ts'
import { comparedFields, isSame } from './normalise.ts'
import { type Current, type CurrentState, isOurs } from './read.ts'
import type { Desired } from './resolve.ts'

/** Others' entities that Kong would delete together with ours. */
export interface Blocked {
  readonly change: Change
  readonly by: readonly Current[]
}

export interface Difference {
  readonly changes: readonly Change[]
  readonly blocked: readonly Blocked[]
  readonly unchanged: number
}

/** What must change so that Kong holds what is desired. Pure; touches nothing without the select tags. */
export function diff(
  desired: readonly Desired[],
  current: CurrentState,
  selectTags: readonly string[],
): Difference {
  const kept = new Set(desired.filter(d => d.current && !d.isReplacement).map(d => d.current!))
  const written = desired.flatMap(entity => toChange(entity, current) ?? [])
  const byId = new Map(current.entities.map(entity => [`${entity.kind}:${entity.id}`, entity]))
  const deleted = current.entities.filter(entity => isOurs(entity, selectTags) && !kept.has(entity))
  const deletions = deleted.map(entity => toDeletion(entity, byId))
  return {
    changes: [...deletions, ...written],
    blocked: findBlocked(deletions, current, selectTags),
    unchanged: desired.length - written.length,
  }
}

function toChange(desired: Desired, { schemas }: CurrentState): Change | undefined {
  const { kind, id, label, fields, body, current, isReplacement } = desired
  const schema = schemas.of(kind)!
  const compared = comparedFields(KINDS[kind], schema, { ...fields, ...body })
  if (!current || isReplacement) {
    const declared = [...compared.keys()].filter(name => body[name] !== undefined)
    return {
      action: 'create',
      kind,
      id,
      label,
      before: undefined,
      after: fields,
      fields: declared,
      body,
      row: undefined,
    }
  }
  const changed = [...compared].flatMap(([name, field]) =>
    isSame(current.fields[name], fields[name], field) ? [] : [name],
  )
  if (changed.length === 0) return undefined
  const { secrets, together = [] } = KINDS[kind]
  const others = together.some(name => changed.includes(name)) ? together : []
  // A password travels as it is, and is compared by its hash.
  const sent = [...new Set([...changed, ...others])].map(name => [
    name,
    secrets.includes(name) ? (body[name] ?? fields[name]) : fields[name],
  ])
  return {
    action: 'update',
    kind,
    id,
    label,
    before: current.fields,
    after: fields,
    fields: changed,
    body: Object.fromEntries(sent) as Row,
    row: current.row,
    ...expiryOf(current),
  }
}

const expiryOf = ({ expiresAt }: Current) => (expiresAt === undefined ? {} : { expiresAt })

function toDeletion(entity: Current, byId: ReadonlyMap<string, Current>): Change {
  const kind = KINDS[entity.kind]
  const nameOf = (field: string, id: string) => {
    const parent = [...PARENTS_OF].find(([name]) => name === field)?.[1]
    const row = parent && byId.get(`${parent}:${id}`)?.fields
    return row && (KINDS[parent].shownBy.map(name => row[name]).find(v => typeof v === 'string') as string)
  }
  return {
    action: 'delete',
    kind: entity.kind,
    id: entity.id,
    label: labelOf(kind, { ...entity.fields, id: entity.id }, nameOf),
    before: entity.fields,
    after: undefined,
    fields: [],
    body: {},
    row: entity.row,
    ...expiryOf(entity),
  }
}

function findBlocked(
  deletions: readonly Change[],
  { entities }: CurrentState,
  selectTags: readonly string[],
): readonly Blocked[] {
  const dependents = new Map<string, Current[]>()
  for (const entity of entities) {
    if (isOurs(entity, selectTags)) continue
    for (const parent of parentsOf(entity.fields))
      dependents.set(parent, [...(dependents.get(parent) ?? []), entity])
  }
  return deletions.flatMap(change => {
    const by = dependents.get(`${change.kind}:${change.id}`)
    return by ? [{ change, by }] : []
  })
}
