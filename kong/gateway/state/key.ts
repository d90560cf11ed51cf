import { isUuid } from '../../../foundation/uuid.ts'
import { type Collection, ENTITIES } from '../../entities/entities.ts'

/** How an entity is named in a path: by its id, or by the field that stands for it. */
export type Key = { readonly id: string } | { readonly field: string; readonly value: string }

/** Turns the text of a path into a key: a UUID is an id, anything else the collection's own field. */
export function keyOf(collection: Collection, text: string): Key {
  const field = ENTITIES[collection].endpointKey
  return field === undefined || isUuid(text) ? { id: text } : { field, value: text }
}
