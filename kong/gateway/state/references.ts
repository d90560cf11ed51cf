import { type Collection, ENTITIES, isCollection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'
import { unresolvedReferences } from './errors.ts'
import type { Lookup } from './state.ts'
import type { Row } from './table.ts'

/** The id in a foreign field; undefined where it is empty. */
export function referenceId(row: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = row[field]
  return isObject(value) && typeof value.id === 'string' ? value.id : undefined
}

/** References by a name become references by id. Changes `data`. */
export function resolveReferences(from: Lookup, collection: Collection, data: Record<string, unknown>): void {
  const unresolved: Record<string, { parent: string; values: Record<string, unknown> }> = {}
  for (const { field, to } of ENTITIES[collection].references) {
    const value = data[field]
    if (!isCollection(to) || !isObject(value) || typeof value.id === 'string') continue
    const names = ENTITIES[to].unique.filter(unique => typeof value[unique] === 'string')
    const found = names.map(unique => from.find(to, unique, String(value[unique]))).find(row => row)
    if (found) data[field] = { id: found.id }
    else if (names.length > 0)
      unresolved[field] = {
        parent: to,
        values: Object.fromEntries(names.map(unique => [unique, value[unique]])),
      }
  }
  if (Object.keys(unresolved).length > 0) throw unresolvedReferences(unresolved)
}

/** The references of a row that are filled in. */
export function referencesOf(
  collection: Collection,
  row: Row,
): readonly { readonly field: string; readonly to: string; readonly id: string }[] {
  return ENTITIES[collection].references.flatMap(({ field, to }) => {
    const id = referenceId(row, field)
    return id === undefined ? [] : [{ field, to, id }]
  })
}
