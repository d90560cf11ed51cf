import { groupBy } from '../../foundation/group-by.ts'
import { type Change, parentsOf } from './change.ts'
import { KINDS, PARENTS_OF } from './kinds.ts'
import { labelOf, nameOf } from './label.ts'
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
  const kept = new Set(
    desired.flatMap(({ current: present, isReplacement }) => (present && !isReplacement ? [present] : [])),
  )
  const written = desired.flatMap(entity => toChange(entity, current) ?? [])
  const byId = new Map(current.entities.map(entity => [`${entity.kind}:${entity.id}`, entity]))
  const deleted = current.entities.filter(entity => isOurs(entity, selectTags) && !kept.has(entity))
  const deletions = deleted.map(entity => deletionOf(entity, labelIn(entity, byId)))
  return {
    changes: [...deletions, ...written],
    blocked: findBlocked(deletions, current, selectTags),
    unchanged: desired.length - written.length,
  }
}

function toChange(desired: Desired, { schemas }: CurrentState): Change | undefined {
  const { kind, fields, body, current, isReplacement } = desired
  const schema = schemas.of(kind)
  // What Kong does not know the schema of was refused before.
  if (!schema) return undefined
  const compared = comparedFields(KINDS[kind], schema, { ...fields, ...body })
  if (!current || isReplacement) return creationOf(desired, [...compared.keys()])
  const changed = [...compared].flatMap(([name, field]) =>
    isSame(current.fields[name], fields[name], field) ? [] : [name],
  )
  return changed.length === 0 ? undefined : updateOf(desired, current, changed)
}

/** @param names fields that may be named as declared. */
export function creationOf({ kind, id, label, fields, body }: Desired, names: readonly string[]): Change {
  return {
    ...{ action: 'create', kind, id, label },
    before: undefined,
    after: fields,
    fields: names.filter(name => body[name] !== undefined),
    body,
    row: undefined,
  }
}

function updateOf(desired: Desired, current: Current, changed: readonly string[]): Change {
  const { kind, id, label, fields, body } = desired
  const { secrets, together = [] } = KINDS[kind]
  const others = together.some(name => changed.includes(name)) ? together : []
  // A password travels as it is, and is compared by its hash.
  const sent = [...new Set([...changed, ...others])].map(name => [
    name,
    secrets.includes(name) ? (body[name] ?? fields[name]) : fields[name],
  ])
  return {
    ...{ action: 'update', kind, id, label },
    before: current.fields,
    after: fields,
    fields: changed,
    body: Object.fromEntries(sent),
    row: current.row,
    ...expiryOf(current),
  }
}

export function deletionOf(current: Current, label: string): Change {
  const { kind, id, fields, row } = current
  return {
    ...{ action: 'delete', kind, id, label },
    before: fields,
    after: undefined,
    fields: [],
    body: {},
    row,
    ...expiryOf(current),
  }
}

const expiryOf = ({ expiresAt }: Current) => (expiresAt === undefined ? {} : { expiresAt })

function labelIn(entity: Current, byId: ReadonlyMap<string, Current>): string {
  return labelOf(KINDS[entity.kind], { ...entity.fields, id: entity.id }, (field, id) => {
    const kind = PARENTS_OF.get(field)
    const parent = kind && byId.get(`${kind}:${id}`)
    return parent && nameOf(KINDS[parent.kind], parent.fields)
  })
}

function findBlocked(
  deletions: readonly Change[],
  { entities }: CurrentState,
  selectTags: readonly string[],
): readonly Blocked[] {
  const links = entities
    .filter(entity => !isOurs(entity, selectTags))
    .flatMap(entity => parentsOf(entity.fields).map(parent => ({ entity, parent })))
  const byParent = groupBy(links, ({ parent }) => parent)
  return deletions.flatMap(change => {
    const dependents = byParent.get(`${change.kind}:${change.id}`)
    return dependents ? [{ change, by: dependents.map(({ entity }) => entity) }] : []
  })
}
