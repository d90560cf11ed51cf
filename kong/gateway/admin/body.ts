import type { Collection } from '../../entities/entities.ts'
import type { Key } from '../state/key.ts'
import type { EntityStore } from '../state/store.ts'
import type { AdminRequest } from './answer.ts'
import { inferTypes } from './form.ts'

type Data = Readonly<Record<string, unknown>>

/** The body as the data of an entity, typed by its schema when it came from a form. */
export function dataOf(store: EntityStore, collection: Collection, request: AdminRequest): Data {
  return request.isForm ? inferTypes(request.body, store.schemas[collection]) : { ...request.body }
}

/**
 * The body of a change. That of a plugin needs the name, which chooses the schema of its configuration.
 *
 * @returns undefined where there is no such plugin
 */
export function patchOf(
  store: EntityStore,
  collection: Collection,
  key: Key,
  request: AdminRequest,
): Data | undefined {
  if (collection !== 'plugins' || request.body.name !== undefined) return dataOf(store, collection, request)
  const present = store.select(collection, key)
  if (!present) return undefined
  return dataOf(store, collection, { ...request, body: { ...request.body, name: present.name } })
}
