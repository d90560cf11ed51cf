import { type Collection, DEFINITIONS, ENTITIES, isCollection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'
import { stillReferenced, stillTrusted, uniqueViolation, unknownReference } from './errors.ts'
import { referenceId, referencesOf } from './references.ts'
import type { Transaction } from './state.ts'
import type { Row } from './table.ts'

/** Stores a row. @throws EntityError where it takes another's unique value or refers to nothing. */
export function writeRow(tx: Transaction, collection: Collection, row: Row): Row {
  const { unique, cacheKey = [] } = ENTITIES[collection]
  for (const field of unique) {
    const value = row[field]
    const other = typeof value === 'string' ? tx.find(collection, field, value) : undefined
    if (other && other.id !== row.id) throw uniqueViolation({ [field]: value })
  }
  if (cacheKey.length > 1 && hasTwin(tx, collection, row, cacheKey))
    throw uniqueViolation(Object.fromEntries(cacheKey.map(field => [field, row[field]])))
  for (const { field, to, id } of referencesOf(collection, row))
    if (!isCollection(to) || !tx.get(to, id)) throw unknownReference(field, { id }, to)
  tx.put(collection, row)
  return tx.get(collection, row.id) ?? row
}

const identity = (value: unknown): unknown => (isObject(value) ? value.id : value)

/** Whether another row has the same values in all of `fields`. */
function hasTwin(tx: Transaction, collection: Collection, row: Row, fields: readonly string[]): boolean {
  const [parent] = fields.flatMap(field => {
    const id = referenceId(row, field)
    return id === undefined ? [] : [{ field, id }]
  })
  const candidates: readonly Row[] = parent
    ? tx.referring(collection, parent.field, parent.id)
    : tx.list(collection)
  return candidates.some(
    other => other.id !== row.id && fields.every(field => identity(other[field]) === identity(row[field])),
  )
}

/** Deletes a row and all that goes with it. @throws EntityError while something else refers to it. */
export function removeRow(tx: Transaction, collection: Collection, id: string): void {
  if (collection === 'ca_certificates') refuseTrusted(tx, id)
  for (const child of DEFINITIONS)
    for (const { field, to, onDelete } of child.references) {
      if (to !== collection) continue
      const children = tx.referring(child.name, field, id)
      if (children.length > 0 && onDelete !== 'cascade') throw stillReferenced(collection, child.name)
      for (const row of children) removeRow(tx, child.name, row.id)
    }
  tx.delete(collection, id)
}

/** Services name the authorities that they trust in a list, which is no foreign field. */
function refuseTrusted(tx: Transaction, id: string): void {
  const service = tx.list('services').find(({ ca_certificates }) => ca_certificates?.includes(id))
  if (service) throw stillTrusted(id, 'services', service.id)
}
