import type { Collection } from '../../entities/entities.ts'
import type { Key } from '../state/key.ts'
import { referenceId } from '../state/references.ts'
import type { EntityStore } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import { type Answer, noContent, notAllowed, notFoundAnswer, ok } from './answer.ts'
import { dataOf, patchOf } from './body.ts'
import type { Relation } from './relations.ts'
import type { Methods } from './route.ts'

/** `/routes/r1`. */
export function entityMethods(store: EntityStore, collection: Collection, key: Key): Methods {
  return {
    GET() {
      const row = store.select(collection, key)
      return row ? ok(row) : notFoundAnswer
    },
    PUT: request => ok(store.upsert(collection, key, dataOf(store, collection, request))),
    PATCH(request) {
      const data = patchOf(store, collection, key, request)
      return data ? ok(store.update(collection, key, data)) : notFoundAnswer
    },
    DELETE() {
      store.delete(collection, key)
      return noContent
    },
  }
}

/** `/routes/r1/service`: the entity that this one refers to. */
export function foreignMethods(store: EntityStore, { child, field, parent }: Relation, key: Key): Methods {
  const through = (serve: (parentKey: Key | undefined, owner: Row) => Answer): Answer => {
    const owner = store.select(child, key)
    if (!owner) return notFoundAnswer
    const id = referenceId(owner, field)
    return serve(id === undefined ? undefined : { id }, owner)
  }
  return {
    GET: () =>
      through(parentKey => {
        const row = parentKey && store.select(parent, parentKey)
        return row ? ok(row) : notFoundAnswer
      }),
    PUT: request =>
      through((parentKey, owner) => {
        const data = dataOf(store, parent, request)
        if (parentKey) return ok(store.upsert(parent, parentKey, data))
        const row = store.insert(parent, data)
        store.update(child, { id: owner.id }, { [field]: { id: row.id } })
        return ok(row)
      }),
    PATCH: request =>
      through(parentKey =>
        parentKey ? ok(store.update(parent, parentKey, dataOf(store, parent, request))) : notFoundAnswer,
      ),
    DELETE: () => through(parentKey => (parentKey ? notAllowed : notFoundAnswer)),
  }
}
