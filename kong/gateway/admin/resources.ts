import { randomUUID } from 'node:crypto'
import type { Collection } from '../../entities/entities.ts'
import { COLLECTIONS } from '../../entities/entities.ts'
import { COLLECTION_INFO } from '../../entities/schemas.ts'
import type { EntityStore, Key } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import {
  type AdminRequest,
  type Answer,
  created,
  type Handler,
  noContent,
  notAllowed,
  notFoundAnswer,
  notFoundWithId,
  ok,
} from './answer.ts'
import { inferTypes } from './form.ts'

export type Methods = Readonly<Partial<Record<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', Handler>>>

/** Finds what serves a path; undefined where there is nothing. */
export type Resolve = (path: readonly string[]) => Methods | undefined

/** A relation between two collections: `routes` refer to `services` by the field `service`. */
interface Relation {
  readonly child: Collection
  readonly field: string
  readonly parent: Collection
}

/**
 * The paths of all entities: `/routes`, `/routes/r1`, `/routes/r1/service`, `/services/s1/routes`,
 * `/services/s1/routes/r1`.
 */
export function createResources(store: EntityStore, nodeId: string): Resolve {
  const byPath = new Map(COLLECTIONS.map(collection => [COLLECTION_INFO[collection].path, collection]))
  const relations: readonly Relation[] = COLLECTIONS.flatMap(child =>
    [...store.schemas[child].fieldsFor({})].flatMap(([field, { spec }]) =>
      spec.type === 'foreign' && spec.reference! in COLLECTION_INFO
        ? [{ child, field, parent: spec.reference as Collection }]
        : [],
    ),
  )

  return path => {
    const collection = byPath.get(path[0] ?? '')
    // Targets are reached through their upstreams only.
    if (!collection || (collection === 'targets' && path.length <= 3)) return undefined
    if (path.length === 1) return collectionMethods(store, collection)
    const key = store.keyOf(collection, path[1]!)
    if (path.length === 2) return entityMethods(store, collection, key)
    const own = relations.find(r => r.child === collection && r.field === path[2])
    if (own && path.length === 3) return foreignMethods(store, own, key)
    if (collection === 'upstreams' && path[3] === 'all' && path[2] === 'targets')
      return path.length === 4 ? allTargets(store, key, path) : undefined
    if (collection === 'upstreams' && path[2] === 'health' && path.length === 3)
      return health(store, key, nodeId, path)
    const nested = relations.find(
      r => r.parent === collection && COLLECTION_INFO[r.child].nestedPath === path[2],
    )
    if (!nested) return undefined
    if (path.length === 3) return nestedCollectionMethods(store, nested, key, path)
    if (path.length === 4) return nestedEntityMethods(store, nested, key, path[3]!)
    return undefined
  }
}

/** The body as the data of an entity, typed by its schema when it came from a form. */
function dataOf(store: EntityStore, collection: Collection, request: AdminRequest): Record<string, unknown> {
  return request.isForm ? inferTypes(request.body, store.schemas[collection]) : { ...request.body }
}

function pageOptions({ query }: AdminRequest) {
  return {
    ...(query.size !== undefined && { size: Number(query.size) }),
    ...(query.offset !== undefined && { offset: query.offset }),
    ...(query.tags !== undefined && { tags: query.tags }),
  }
}

function collectionMethods(store: EntityStore, collection: Collection): Methods {
  return {
    GET(request) {
      const { custom_id } = request.query
      if (collection === 'consumers' && custom_id !== undefined) return byCustomId(store, custom_id)
      const { data, offset } = store.page(collection, pageOptions(request))
      const { size, tags } = request.query
      const query = [
        `offset=${encodeURIComponent(offset ?? '')}`,
        ...(tags === undefined ? [] : [`tags=${encodeURIComponent(tags)}`]),
        ...(size === undefined ? [] : [`size=${size}`]),
      ]
      return pageAnswer(data, offset, `/${COLLECTION_INFO[collection].path}?${query.join('&')}`)
    },
    POST: request => created(store.insert(collection, dataOf(store, collection, request))),
  }
}

function byCustomId(store: EntityStore, customId: string): Answer {
  if (customId === '') return { status: 400, body: { message: 'custom_id must be an unempty string' } }
  const found = store.select('consumers', { field: 'custom_id', value: customId })
  return ok({ data: found ? [found] : [], next: null })
}

const pageAnswer = (data: readonly Row[], offset: string | undefined, next: string): Answer =>
  ok({ data, ...(offset !== undefined && { offset }), next: offset === undefined ? null : next })

function entityMethods(store: EntityStore, collection: Collection, key: Key): Methods {
  return {
    GET() {
      const row = store.select(collection, key)
      return row ? ok(row) : notFoundAnswer
    },
    PUT: request => ok(store.upsert(collection, key, dataOf(store, collection, request))),
    PATCH(request) {
      const data = patchData(store, collection, key, request)
      return data ? ok(store.update(collection, key, data)) : notFoundAnswer
    },
    DELETE() {
      store.delete(collection, key)
      return noContent
    },
  }
}

/** A change of a plugin needs the name, which chooses the schema of its configuration. */
function patchData(
  store: EntityStore,
  collection: Collection,
  key: Key,
  request: AdminRequest,
): Record<string, unknown> | undefined {
  if (collection !== 'plugins' || request.body.name !== undefined) return dataOf(store, collection, request)
  const present = store.select(collection, key)
  if (!present) return undefined
  return dataOf(store, collection, { ...request, body: { ...request.body, name: present.name } })
}

/** `/routes/r1/service`: the entity that this one refers to. */
function foreignMethods(store: EntityStore, { child, field, parent }: Relation, key: Key): Methods {
  const through = (serve: (parentKey: Key | undefined, owner: Row) => Answer): Answer => {
    const owner = store.select(child, key)
    if (!owner) return notFoundAnswer
    const reference = owner[field] as { id: string } | null
    return serve(reference ? { id: reference.id } : undefined, owner)
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

/** `/services/s1/routes`. */
function nestedCollectionMethods(
  store: EntityStore,
  { child, field, parent }: Relation,
  key: Key,
  path: readonly string[],
): Methods {
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
function nestedEntityMethods(
  store: EntityStore,
  { child, field, parent }: Relation,
  key: Key,
  text: string,
): Methods {
  const belonging = (owner: Row): Row | undefined => {
    const row = store.select(child, nestedKey(store, child, owner, text))
    return row && (row[field] as { id: string } | null)?.id === owner.id ? row : undefined
  }
  // Kong looks for a membership in a place of its own, whose answer bears an id.
  const nothing = () => (child === 'acls' ? notFoundWithId(randomUUID().replaceAll('-', '')) : notFoundAnswer)
  const within = (serve: (row: Row, owner: Row) => Answer): Answer => {
    const owner = store.select(parent, key)
    const row = owner && belonging(owner)
    return row && owner ? serve(row, owner) : nothing()
  }
  const patch: Handler = request =>
    within((row, owner) => {
      const rowKey = child === 'plugins' ? store.keyOf(child, text) : { id: row.id }
      const data = patchData(store, child, rowKey, request) ?? {}
      return ok(store.update(child, rowKey, { ...data, [field]: data[field] ?? { id: owner.id } }))
    })
  return {
    GET: () => within(row => ok(row)),
    PUT(request) {
      // The one way to make a target is POST: PUT changes a present one.
      if (child === 'targets') return patch(request)
      const owner = store.select(parent, key)
      if (!owner) return nothing()
      const data = { ...dataOf(store, child, request), [field]: { id: owner.id } }
      if (child === 'acls') return putAcl(store, owner, text, data)
      return ok(store.upsert(child, store.keyOf(child, text), data))
    },
    PATCH: patch,
    DELETE: () =>
      within(row => {
        store.delete(child, { id: row.id })
        return noContent
      }),
  }
}

/** `/upstreams/u1/targets/all`: the targets, with those that take no traffic. */
function allTargets(store: EntityStore, key: Key, path: readonly string[]): Methods {
  const { GET } = nestedCollectionMethods(
    store,
    { child: 'targets', field: 'upstream', parent: 'upstreams' },
    key,
    path,
  )
  return GET ? { GET } : {}
}

/** `/upstreams/u1/health`: nothing here probes targets, so Kong's word for that is given. */
function health(store: EntityStore, key: Key, nodeId: string, path: readonly string[]): Methods {
  return {
    GET(request) {
      const owner = store.select('upstreams', key)
      if (!owner) return notFoundAnswer
      const { tags: _tags, ...options } = pageOptions(request)
      const { data, offset } = store.page('targets', {
        ...options,
        scope: { field: 'upstream', id: owner.id },
      })
      const next = offset === undefined ? null : `/${path.join('/')}?offset=${encodeURIComponent(offset)}`
      const rows = data.map(target => ({ ...target, health: 'HEALTHCHECKS_OFF' }))
      return ok({ data: rows, ...(offset !== undefined && { offset }), next, node_id: nodeId })
    },
  }
}

/** A group stands for the membership of its consumer, a target's address for the target of its upstream. */
function nestedKey(store: EntityStore, child: Collection, owner: Row, text: string): Key {
  const key = store.keyOf(child, text)
  const alias = { acls: 'group', targets: 'target' }[child as string]
  if (!alias || isUuid(text)) return key
  const { data } = store.page(child, {
    size: 1000,
    scope: { field: child === 'acls' ? 'consumer' : 'upstream', id: owner.id },
  })
  return { id: data.find(row => row[alias] === text)?.id ?? NOBODY }
}

const NOBODY = '00000000-0000-0000-0000-000000000000'
const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

function putAcl(store: EntityStore, owner: Row, text: string, data: Record<string, unknown>): Answer {
  if (isUuid(text)) return ok(store.upsert('acls', { id: text }, data))
  const { id } = nestedKey(store, 'acls', owner, text) as { id: string }
  const group = data.group ?? text
  if (id !== NOBODY) return ok(store.upsert('acls', { id }, { ...data, group }))
  return ok(store.insert('acls', { ...data, group }))
}
