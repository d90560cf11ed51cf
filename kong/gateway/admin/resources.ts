import { type Collection, DEFINITIONS, ENTITIES } from '../../entities/entities.ts'
import type { TargetHealth } from '../state/health.ts'
import { keyOf } from '../state/key.ts'
import type { EntityStore } from '../state/store.ts'
import { certificateMethods } from './certificates.ts'
import { entityMethods, foreignMethods } from './entity.ts'
import { collectionMethods } from './list.ts'
import { nestedMethods } from './nested.ts'
import { RELATIONS } from './relations.ts'
import type { Methods, Resolve } from './route.ts'
import { upstreamMethods } from './upstreams.ts'

export interface ResourceOptions {
  readonly store: EntityStore
  readonly health: TargetHealth
  readonly nodeId: string
}

const BY_PATH = new Map<string, Collection>(DEFINITIONS.map(({ path, name }) => [path, name]))

/**
 * The paths of all entities: `/routes`, `/routes/r1`, `/routes/r1/service`, `/services/s1/routes`,
 * `/services/s1/routes/r1`.
 */
export function createResources(options: ResourceOptions): Resolve {
  const { store } = options
  return path => {
    const [first = '', second, third] = path
    const collection = BY_PATH.get(first)
    // An entity that is reached through its owner only has no paths of its own.
    if (!collection || ENTITIES[collection].within !== undefined) return undefined
    if (second === undefined) return collectionMethods(store, collection)
    if (collection === 'certificates') return certificateMethods(store, second, path)
    const key = keyOf(collection, second)
    if (third === undefined) return entityMethods(store, collection, key)
    return (
      foreignPath(store, collection, path) ??
      (collection === 'upstreams' ? upstreamMethods(options, key, path) : undefined) ??
      nestedPath(store, collection, path)
    )
  }
}

function foreignPath(
  store: EntityStore,
  collection: Collection,
  path: readonly string[],
): Methods | undefined {
  const [, key = '', field, ...more] = path
  const relation = RELATIONS.find(own => own.child === collection && own.field === field)
  // The certificate of an SNI has no path that leads anywhere.
  if (!relation || more.length > 0 || collection === 'snis') return undefined
  return foreignMethods(store, relation, keyOf(collection, key))
}

function nestedPath(
  store: EntityStore,
  collection: Collection,
  path: readonly string[],
): Methods | undefined {
  const [, key = '', part] = path
  const relation = RELATIONS.find(
    ({ child, parent }) => parent === collection && ENTITIES[child].nestedPath === part,
  )
  return relation && nestedMethods(store, { ...relation, key: keyOf(collection, key) }, path)
}
