import { type Collection, ENTITIES } from '../../entities/entities.ts'

/** How an entity is named in a path: by its id, or by the field that stands for it. */
export type Key = { readonly id: string } | { readonly field: string; readonly value: string }

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const isUuid = (text: string): boolean => UUID.test(text)

/** Turns the text of a path into a key: a UUID is an id, anything else the collection's own field. */
export function keyOf(collection: Collection, text: string): Key {
  const field = ENTITIES[collection].endpointKey
  return field === undefined || isUuid(text) ? { id: text } : { field, value: text }
}
