import { randomUUID } from 'node:crypto'
import { isUuid } from '../../../foundation/uuid.ts'
import type { Collection } from '../../entities/entities.ts'
import { type Key, keyOf } from '../state/key.ts'
import { referenceId } from '../state/references.ts'
import type { EntityStore } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import {
  type AdminRequest,
  type Answer,
  created,
  noContent,
  notFoundAnswer,
  notFoundWithId,
  ok,
} from './answer.ts'
import { dataOf, patchOf } from './body.ts'
import { pageAnswer, pageOptions } from './list.ts'
import type { Relation } from './relations.ts'
import type { Methods } from './route.ts'

/** The entities beneath another one. */
export interface Nest extends Relation {
  /** Of the owner. */
  readonly key: Key
}

/** What serves a path beneath an entity. */
export function nestedMethods(store: EntityStore, nest: Nest, path: readonly string[]): Methods | undefined {
  const [, , , text, ...more] = path
  if (text === undefined) return nestedCollectionMethods(store, nest, path)
  return more.length === 0 ? nestedEntityMethods(store, nest, text) : undefined
}

/** `/services/s1/routes`. */
export function nestedCollectionMethods(store: EntityStore, nest: Nest, path: readonly string[]): Methods {
  const { child, field, parent, key } = nest
  return {
    GET(request) {
      const owner = store.select(parent, key)
      if (!owner) return notFoundAnswer
      // Tags choose among all entities only.
      const { tags: _tags, ...options } = pageOptions(request)
      const { data, offset } = store.page(child, { ...options, scope: { field, id: owner.id } })
      return pageAnswer(data, offset, `/${path.join('/')}?offset=${encodeURIComponent(offset ?? '')}`)
    },
    POST(request) {
      const owner = store.select(parent, key)
      if (!owner) return notFoundAnswer
      return created(store.insert(child, { ...dataOf(store, child, request), [field]: { id: owner.id } }))
    },
  }
}

/** `/services/s1/routes/r1`: only if it belongs there. */
function nestedEntityMethods(store: EntityStore, nest: Nest, text: string): Methods {
  const { child, field, parent, key } = nest
  const within = (serve: (row: Row, owner: Row) => Answer): Answer => {
    const owner = store.select(parent, key)
    const row = owner && belonging(store, nest, owner, text)
    return row && owner ? serve(row, owner) : nothing(child)
  }
  const patch = (request: AdminRequest) =>
    within((row, owner) => {
      const rowKey = child === 'plugins' ? keyOf(child, text) : { id: row.id }
      const data = patchOf(store, child, rowKey, request) ?? {}
      return ok(store.update(child, rowKey, { ...data, [field]: data[field] ?? { id: owner.id } }))
    })
  return {
    GET: () => within(row => ok(row)),
    PUT(request) {
      // The one way to make a target is POST: PUT changes a present one.
      if (child === 'targets') return patch(request)
      const owner = store.select(parent, key)
      if (!owner) return nothing(child)
      const data = { ...dataOf(store, child, request), [field]: { id: owner.id } }
      if (child === 'acls') return putAcl(store, text, data, () => nestedKey(store, nest, owner, text))
      return ok(store.upsert(child, keyOf(child, text), data))
    },
    PATCH: patch,
    DELETE: () =>
      within(row => {
        store.delete(child, { id: row.id })
        return noContent
      }),
  }
}

/** Kong looks for a membership in a place of its own, whose answer bears an id. */
const nothing = (child: Collection): Answer =>
  child === 'acls' ? notFoundWithId(randomUUID().replaceAll('-', '')) : notFoundAnswer

export function belonging(store: EntityStore, nest: Relation, owner: Row, text: string): Row | undefined {
  const key = nestedKey(store, nest, owner, text)
  const row = key && store.select(nest.child, key)
  return row && referenceId(row, nest.field) === owner.id ? row : undefined
}

/** Fields that stand for an entity within its owner only. */
const ALIASES: Readonly<Partial<Record<Collection, string>>> = { acls: 'group', targets: 'target' }

/** A group stands for the membership of its consumer, a target's address for the target of its upstream. */
function nestedKey(
  store: EntityStore,
  { child, field }: Relation,
  owner: Row,
  text: string,
): Key | undefined {
  const alias = ALIASES[child]
  if (!alias || isUuid(text)) return keyOf(child, text)
  const { data } = store.page(child, { size: 1000, scope: { field, id: owner.id } })
  const found = data.find(row => row[alias] === text)
  return found && { id: found.id }
}

function putAcl(
  store: EntityStore,
  text: string,
  data: Readonly<Record<string, unknown>>,
  find: () => Key | undefined,
): Answer {
  if (isUuid(text)) return ok(store.upsert('acls', { id: text }, data))
  const key = find()
  const named = { ...data, group: data.group ?? text }
  return ok(key ? store.upsert('acls', key, named) : store.insert('acls', named))
}
