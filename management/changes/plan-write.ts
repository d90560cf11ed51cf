import { isUuid } from '../../foundation/uuid.ts'
import type { Change, Row } from '../../kong/reconcile/change.ts'
import { KINDS, type Kind, type KindName } from '../../kong/reconcile/kinds.ts'
import { MASK } from '../../kong/reconcile/mask.ts'
import { comparedFields, isSame } from '../../kong/reconcile/normalise.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Schema } from '../../kong/schema/schema.ts'
import { type Completed, completePart, completeWhole, masksIn, unmask } from './complete.ts'
import { faultOf, type KindedFault, pointerTo } from './fault.ts'
import type { Operation } from './operation.ts'
import { checkBeyondSchema } from './plan-beyond-schema.ts'
import { claimUniques, withReferences } from './plan-references.ts'
import type { PlanState } from './plan-state.ts'

/** The entity of an operation. */
export interface Target {
  readonly kind: KindName
  readonly id: string
}

/** What an operation writes. */
export interface Write {
  readonly operation: Operation
  readonly kind: Kind
  readonly schema: Schema
}

/** Plans a new entity. @returns undefined where something is wrong with it. */
export async function planCreation(state: PlanState, write: Write): Promise<Target | undefined> {
  const { kind, schema, operation } = write
  const { pointer, key } = operation
  const { id: givenId, ...body } = operation.body
  const earlier = state.faults.length
  for (const path of masksIn(body, MASK))
    state.fault(
      'content',
      pointerTo(pointer, path),
      'masked',
      'the mask stands for a value that is there already, and this entity is new',
    )
  const id = await chooseId(state, kind.name, { givenId, key, pointer })
  const data = await withReferences(state, kind, named(state, write, body), pointer)
  await checkBeyondSchema(state, { kind: kind.name, id, given: data, data, pointer })
  const completed = await complete(state, write, data, () =>
    completeWhole(kind, schema, { given: data, id }, undefined),
  )
  if (!completed) return undefined
  const { fields, sent } = completed
  if (!(await claimUniques(state, { kind, id, fields, current: undefined, pointer }))) return undefined
  if (state.faults.length > earlier) return undefined
  state.add({
    ...{ action: 'create', kind: kind.name, id, label: await state.label(kind, { ...fields, id }) },
    before: undefined,
    after: fields,
    fields: [...comparedFields(kind, schema, fields).keys()].filter(name => sent[name] !== undefined),
    body: withoutServerNames(kind, sent),
    row: undefined,
  })
  return { kind: kind.name, id }
}

/** Server names that come with a certificate are entities, and steps, of their own. */
function withoutServerNames({ name }: Kind, { snis, ...others }: Row): Row {
  return name === 'certificates' || snis === undefined ? others : { ...others, snis }
}

/** Plans what is to change in a present entity. @returns undefined where something is wrong. */
export async function planUpdate(
  state: PlanState,
  write: Write,
  current: Current,
): Promise<Target | undefined> {
  const { kind, schema, operation } = write
  const { pointer } = operation
  const body = fixedTaken(state, write, unmask(operation.body, current.row, MASK), current)
  const isWhole = operation.action === 'replace'
  const given = isWhole ? named(state, write, body) : body
  const data = await withReferences(state, kind, given, pointer)
  const faults = state.faults.length
  const beyond = isWhole ? data : schema.merge(data, current.fields)
  await checkBeyondSchema(state, { kind: kind.name, id: current.id, given: data, data: beyond, pointer })
  const completed = await complete(state, write, data, () =>
    isWhole
      ? completeWhole(kind, schema, { given: data, id: current.id }, current)
      : completePart(kind, schema, data, current),
  )
  if (!completed || state.faults.length > faults) return undefined
  const { fields } = completed
  const changed = changedFields(write, completed, current)
  for (const name of kind.fixed.filter(field => changed.includes(field)))
    state.fault('content', pointerTo(pointer, [name]), 'fixed', `${name}: ${FIXED}`)
  if (!(await claimUniques(state, { kind, id: current.id, fields, current, pointer }))) return undefined
  if (changed.length > 0) {
    const label = await state.label(kind, { ...fields, id: current.id })
    state.add(updateOf(kind, completed, current, { changed, label }))
  }
  state.note(kind, { ...current.row, ...fields })
  return { kind: kind.name, id: current.id }
}

const FIXED = 'cannot be changed; delete the entity and make another one'

/** The body without what is fixed for good beyond the schema; another value is a fault. */
function fixedTaken(
  state: PlanState,
  { kind, operation: { pointer } }: Write,
  body: Row,
  { id, row }: Current,
): Row {
  const { id: givenId, ...rest } = body
  if (givenId !== undefined && givenId !== null && givenId !== id)
    state.fault('content', pointerTo(pointer, ['id']), 'fixed', `id: ${FIXED}`)
  if (!kind.writeOnly.includes('ttl')) return rest
  // Kong counts it from the creation, and reports what is left: what it would become could not be told.
  const { ttl, ...others } = rest
  if (typeof ttl === 'number' && ttl !== row.ttl)
    state.fault('content', pointerTo(pointer, ['ttl']), 'fixed', `ttl: ${FIXED}`)
  return others
}

async function chooseId(
  state: PlanState,
  kind: KindName,
  {
    givenId,
    key,
    pointer,
  }: { readonly givenId: unknown; readonly key: string | undefined; readonly pointer: string },
): Promise<string> {
  const place = pointerTo(pointer, ['id'])
  const pathId = key !== undefined && isUuid(key) ? key : undefined
  if (key !== undefined && pathId === undefined && KINDS[kind].endpointKey === undefined)
    state.fault('content', place, 'type', 'id: expected a valid UUID in the path')
  if (givenId === undefined) return pathId ?? state.parts.newId()
  if (!isUuid(givenId)) state.fault('content', place, 'type', 'id: expected a valid UUID')
  else if (pathId !== undefined && pathId !== givenId)
    state.fault('content', place, 'invalid', 'id: is not that of the path')
  else if (pathId === undefined && (await state.find(kind, givenId)))
    state.fault('conflict', place, 'taken', 'id: another entity has this value already')
  else return givenId
  // What else is wrong is told, too.
  return state.parts.newId()
}

/** A name in the path is that of the entity. */
function named(
  state: PlanState,
  { kind: { endpointKey }, operation: { key, pointer } }: Write,
  body: Row,
): Row {
  if (key === undefined || isUuid(key) || endpointKey === undefined) return body
  const given = body[endpointKey]
  if (given !== undefined && given !== key)
    state.fault(
      'content',
      pointerTo(pointer, [endpointKey]),
      'invalid',
      `${endpointKey}: is not that of the path`,
    )
  return { ...body, [endpointKey]: key }
}

/** Completes and checks an entity, by its schema first and then by Kong. */
async function complete(
  state: PlanState,
  { kind, schema, operation: { pointer } }: Write,
  data: Row,
  work: () => Completed,
): Promise<Completed | undefined> {
  if (!isEnabled(state, kind, data, pointer)) return undefined
  const completed = work()
  const known = [...schema.fieldsFor(data).keys()]
  const own = completed.mistakes.map(mistake => faultOf(mistake, pointer, known))
  state.faults.push(...own)
  const { fields, sent, tried } = completed
  if (tried) {
    // What is wrong is told though Kong may be away.
    const others = await state.parts.validate?.(kind.name, tried, pointer).catch(() => [])
    state.faults.push(...beside(own, others ?? [], pointer))
    return undefined
  }
  // Records are merged in `fields`; a password stands there as Kong stores it.
  const plain = Object.fromEntries(kind.secrets.flatMap(name => (name in sent ? [[name, sent[name]]] : [])))
  const body = { ...sent, ...fields, ...plain }
  const found = (await state.parts.validate?.(kind.name, body, pointer)) ?? []
  state.faults.push(...found)
  return found.length > 0 ? undefined : completed
}

/** What Kong has found beyond our own faults; it tells a shorthand of a configuration without its path. */
function beside(
  own: readonly KindedFault[],
  found: readonly KindedFault[],
  base: string,
): readonly KindedFault[] {
  const told = own.map(({ pointer }) => pointer)
  const isTold = (place: string) =>
    told.some(pointer => place === pointer || (pointer !== base && place.startsWith(`${pointer}/`)))
  const inConfig = `${base}/config`
  const isOurs = (place: string) =>
    isTold(place) || (!place.startsWith(inConfig) && isTold(inConfig + place.slice(base.length)))
  return found.filter(({ pointer }) => !isOurs(pointer))
}

/** Whether this Kong has the plugin or vault that is named. */
function isEnabled(state: PlanState, kind: Kind, { name }: Row, pointer: string): boolean {
  const { schemas } = state.parts
  if (typeof name !== 'string') return true
  const place = pointerTo(pointer, ['name'])
  if (kind.name === 'plugins' && !schemas.hasPlugin(name))
    return state.fault(
      'content',
      place,
      'unknown_plugin',
      `name: the plugin ${JSON.stringify(name)} is not enabled in this Kong`,
    )
  if (kind.name === 'vaults' && !schemas.hasVault(name))
    return state.fault(
      'content',
      place,
      'unknown_vault',
      `name: this Kong has no vault ${JSON.stringify(name)}`,
    )
  return true
}

/** Fields in which Kong would show something else. */
function changedFields(
  { kind, schema }: Write,
  { fields, sent }: Completed,
  current: Current,
): readonly string[] {
  // Kong hashes it with a salt of its own: whether it is the same cannot be told.
  const isRehashed = (name: string) =>
    kind.name === 'oauth2_credentials' &&
    name === 'client_secret' &&
    fields.hash_secret === true &&
    sent[name] !== undefined
  return [...comparedFields(kind, schema, fields)].flatMap(([name, field]) =>
    isSame(current.fields[name], fields[name], field) && !isRehashed(name) ? [] : [name],
  )
}

function updateOf(
  kind: Kind,
  { fields, sent }: Completed,
  current: Current,
  { changed, label }: { readonly changed: readonly string[]; readonly label: string },
): Change {
  const others = kind.together?.some(name => changed.includes(name)) ? kind.together : []
  // A password travels as it is, and is compared by its hash.
  const body = [...new Set([...changed, ...others])].map(name => [
    name,
    kind.secrets.includes(name) ? (sent[name] ?? fields[name]) : fields[name],
  ])
  return {
    ...{ action: 'update', kind: kind.name, id: current.id },
    label,
    before: current.fields,
    after: fields,
    fields: changed,
    body: Object.fromEntries(body),
    row: current.row,
    ...(current.expiresAt !== undefined && { expiresAt: current.expiresAt }),
  }
}
