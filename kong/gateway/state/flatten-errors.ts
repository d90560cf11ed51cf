import { isUuid } from '../../../foundation/uuid.ts'
import { type Collection, DEFINITIONS, ENTITIES, isCollection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'

type Tree = Readonly<Record<string, unknown>>

/** One wrong entity of a declaration: `POST /config?flatten_errors=1`. */
export interface FlattenedError {
  readonly entity_type: string
  readonly entity_name?: string
  readonly entity_id?: string
  readonly entity_tags?: readonly string[]
  /** As it was declared, without what stands beneath it. */
  readonly entity: Tree
  readonly errors: readonly FlatError[]
}

type FlatError =
  | { readonly type: 'entity'; readonly message: string }
  | { readonly type: 'field'; readonly field: string; readonly message: string }

/**
 * Takes the tree of errors apart, one list of errors for each entity.
 *
 * @returns the errors that belong to no entity, too
 */
export function flattenErrors(
  fields: Tree,
  declaration: Tree,
): { readonly flattened: readonly FlattenedError[]; readonly rest: Tree } {
  const rest: Record<string, unknown> = {}
  const flattened: FlattenedError[] = []
  for (const [name, errors] of Object.entries(fields)) {
    const items = declaration[name]
    if (isCollection(name) && Array.isArray(items)) flattened.push(...ofItems(name, items, errors))
    else rest[name] = errors
  }
  return { flattened, rest }
}

function ofItems(
  collection: Collection,
  items: readonly unknown[],
  errors: unknown,
  owner: Tree = {},
): FlattenedError[] {
  if (typeof errors !== 'object' || errors === null) return []
  return items.flatMap((item, i) => {
    const own = (errors as Record<number, unknown>)[i]
    return isObject(item) && own ? ofEntity(collection, { ...owner, ...item }, own) : []
  })
}

function ofEntity(collection: Collection, entity: Tree, errors: unknown): FlattenedError[] {
  const own: Record<string, unknown> = isObject(errors) ? { ...errors } : { '@entity': errors }
  const shown: Record<string, unknown> = { ...entity }
  const beneath = [...parents(collection, shown, own), ...children(collection, shown, own, entity.id)]
  const list = categorized(own, '')
  if (list.length === 0) return beneath
  const { name, id, tags } = entity
  return [
    ...beneath,
    {
      ...(typeof name === 'string' && name !== '' && { entity_name: name }),
      ...(isId(id) && { entity_id: id }),
      ...(isTags(tags) && { entity_tags: tags }),
      entity_type: collection.replace(/s$/, ''),
      entity: shown,
      errors: list,
    },
  ]
}

/** A certificate, say, that is given in full where it is referred to. Takes it out of `shown` and `own`. */
function parents(
  collection: Collection,
  shown: Record<string, unknown>,
  own: Record<string, unknown>,
): FlattenedError[] {
  return ENTITIES[collection].references.flatMap(({ field, to }) => {
    const value = shown[field]
    if (!isObject(value) || !isCollection(to)) return []
    const errors = own[field]
    delete own[field]
    if (isId(value.id)) shown[field] = { id: value.id }
    else delete shown[field]
    return errors ? ofEntity(to, value, errors) : []
  })
}

/** What stands beneath the entity. Takes it out of `shown` and `own`. */
function children(
  collection: Collection,
  shown: Record<string, unknown>,
  own: Record<string, unknown>,
  id: unknown,
): FlattenedError[] {
  return DEFINITIONS.flatMap(({ name, references }) => {
    const items = shown[name]
    const field = references.find(({ to }) => to === collection)?.field
    if (field === undefined || !Array.isArray(items)) return []
    const errors = own[name]
    delete shown[name]
    delete own[name]
    return ofItems(name, items, errors, isId(id) ? { [field]: { id } } : {})
  })
}

function categorized(errors: unknown, path: string): FlatError[] {
  if (typeof errors === 'string') return [{ type: 'field', field: path, message: errors }]
  if (typeof errors !== 'object' || errors === null) return []
  return Object.entries(errors)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .flatMap(([key, error]): FlatError[] => {
      if (key === '@entity')
        return [error].flat(3).map(message => ({ type: 'entity', message: String(message) }))
      // Lists are counted from 1.
      const name = Array.isArray(errors) ? String(Number(key) + 1) : key
      return categorized(error, path === '' ? name : `${path}.${name}`)
    })
}

const isId = (value: unknown): value is string => typeof value === 'string' && isUuid(value)

const isTags = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(tag => typeof tag === 'string')
