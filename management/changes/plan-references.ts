import { isUuid } from '../../foundation/uuid.ts'
import type { Row } from '../../kong/reconcile/change.ts'
import { identityKey } from '../../kong/reconcile/identity.ts'
import { KINDS, type Kind, type KindName } from '../../kong/reconcile/kinds.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import { isObject } from '../../kong/schema/spec.ts'
import { pointerTo } from './fault.ts'
import type { PlanState } from './plan-state.ts'

/** In the place of a reference that leads nowhere: that is told once, and not by the schema, too. */
const NOWHERE = { id: '00000000-0000-4000-8000-000000000000' }

/** With references by id instead of by name; one that leads nowhere is a fault. */
export async function withReferences(state: PlanState, kind: Kind, body: Row, pointer: string): Promise<Row> {
  const out: Record<string, unknown> = { ...body }
  for (const { field, to } of kind.references) {
    const parent = to as KindName
    const value = body[field]
    const key = keyOfReference(parent, value)
    if (!isObject(value) || key === undefined) continue
    const found = (await state.find(parent, key)) ?? (await findByOther(state, parent, value))
    out[field] = found ? { id: found.id } : NOWHERE
    if (!found && !state.hasFailed(parent, key)) {
      const text = `${field}: there is no ${KINDS[parent].noun} ${JSON.stringify(key)}; create it first, or in the same change`
      state.fault('conflict', pointerTo(pointer, [field]), 'reference', text)
    }
  }
  await checkAuthorities(state, body, pointer)
  return out
}

/** The id or name that a reference holds; undefined for what names nothing, which is a mistake that the schema tells. */
export function keyOfReference(parent: KindName, value: unknown): string | undefined {
  if (!isObject(value)) return undefined
  const names = ['id', ...KINDS[parent].unique]
  const key = names.map(name => value[name]).find(one => typeof one === 'string')
  return typeof key !== 'string' || (key === value.id && !isUuid(key)) ? undefined : key
}

/** A consumer is meant by its `custom_id`, too. */
async function findByOther(
  state: PlanState,
  parent: KindName,
  value: Row,
): Promise<{ id: string } | undefined> {
  const { unique, endpointKey, secrets } = KINDS[parent]
  const name = unique.find(
    one => one !== endpointKey && !secrets.includes(one) && typeof value[one] === 'string',
  )
  const row =
    name === undefined ? undefined : await state.parts.source.findBy(parent, { [name]: value[name] })
  return row && state.find(parent, String(row.id))
}

/** Services and upstreams name CA certificates in a list of ids. */
async function checkAuthorities(
  state: PlanState,
  { ca_certificates: ids }: Row,
  pointer: string,
): Promise<void> {
  for (const [i, id] of (Array.isArray(ids) ? ids : []).entries())
    if (isUuid(id) && !(await state.find('ca_certificates', id))) {
      const text = `ca_certificates: there is no CA certificate ${JSON.stringify(id)}`
      state.fault('conflict', pointerTo(pointer, ['ca_certificates', i]), 'reference', text)
    }
}

export interface Claim {
  readonly kind: Kind
  readonly id: string
  readonly fields: Row
  /** As it is now; undefined for a new one. */
  readonly current: Current | undefined
  readonly pointer: string
}

/** Whether nobody else has the unique values of an entity. Secrets are compared by Kong alone. */
export async function claimUniques(state: PlanState, claim: Claim): Promise<boolean> {
  const { kind, fields, current, pointer } = claim
  let isFree = true
  for (const names of uniqueFields(kind)) {
    const key = identityKey(kind.name, names, fields)
    if (key === undefined || names.some(name => kind.secrets.includes(name))) continue
    if (current && key === identityKey(kind.name, names, current.fields)) continue
    if (state.given.has(key) || (await isTaken(state, claim, names))) {
      const text = `${names.join(' and ')}: another ${kind.noun} has this value already`
      isFree = state.fault('conflict', pointerTo(pointer, names.slice(0, 1)), 'taken', text)
    }
    state.given.add(key)
  }
  return isFree
}

async function isTaken(state: PlanState, { kind, id, fields }: Claim, names: readonly string[]) {
  const wanted = Object.fromEntries(names.map(name => [name, fields[name] ?? null]))
  const other = await state.parts.source.findBy(kind.name, wanted)
  if (!other || other.id === id) return false
  // This change may delete or rename it.
  const after = state.after(kind.name, other.id)
  if (after === undefined) return true
  return after !== null && identityKey(kind.name, names, after) === identityKey(kind.name, names, fields)
}

/** Lists of fields whose values taken together only one entity may have. */
const uniqueFields = ({ unique, cacheKey = [] }: Kind): readonly (readonly string[])[] => [
  ...unique.map(name => [name]),
  ...(cacheKey.length > 1 ? [cacheKey] : []),
]
