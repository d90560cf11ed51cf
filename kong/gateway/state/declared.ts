import { COLLECTIONS, type Collection, DEFINITIONS, ENTITIES, isCollection } from '../../entities/entities.ts'
import type { EntitySchemas } from '../../entities/schemas.ts'
import type { AutoValues } from '../../schema/field.ts'
import { isEmptyTable, isObject, type Violations } from '../../schema/spec.ts'
import { type Named, nameIndex, resolveNames, sharedValues } from './declared-names.ts'
import { type Place, place } from './error-tree.ts'
import { invalidDeclaration } from './errors.ts'
import { storedRow } from './row.ts'
import { type Parent, stableId } from './stable-id.ts'
import type { Row } from './table.ts'

type Tree = Readonly<Record<string, unknown>>

export interface ReadOptions {
  readonly schemas: EntitySchemas
  readonly auto: AutoValues
}

/**
 * Checks a configuration and makes entities of it. Entities may stand beneath the ones that they refer to, and refer
 * by id or by name.
 *
 * @throws EntityError with Kong's code 14 and all that is wrong.
 */
export function readEntities(tree: Tree, options: ReadOptions): ReadonlyMap<Collection, readonly Row[]> {
  const wrong: Violations = checkTop(tree)
  const found = collect(tree, options.auto)
  const { ids, doubles } = nameIndex(found)
  const entities = new Map<Collection, Row[]>()
  for (const entry of found) {
    const { violations, unresolved, row } = readEntity(entry, ids, tree._transform !== false, options)
    if (violations) place(wrong, entry.at, violations)
    if (unresolved) place(doubles, [entry.collection, entry.label], unresolved)
    entities.set(entry.collection, [...(entities.get(entry.collection) ?? []), row])
  }
  // Kong looks for the later kinds of faults only once the earlier ones are mended.
  for (const faults of [wrong, doubles, sharedValues(found)])
    if (Object.keys(faults).length > 0) throw invalidDeclaration(faults)
  return entities
}

const META = ['_format_version', '_transform', '_comment', '_ignore']

function checkTop(tree: Tree): Violations {
  const wrong: Violations = {}
  const { _format_version: version, _transform: transform } = tree
  if (version === undefined || version === null) wrong._format_version = 'required field missing'
  else if (typeof version !== 'string') wrong._format_version = 'expected a string'
  else if (version !== '3.0') wrong._format_version = 'expected one of: 1.1, 2.1, 3.0'
  if (transform !== undefined && transform !== null && typeof transform !== 'boolean')
    wrong._transform = 'expected a boolean'
  for (const [name, value] of Object.entries(tree)) {
    if (META.includes(name)) continue
    if (!isCollection(name)) wrong[name] = 'unknown field'
    else if (value !== null && !Array.isArray(value) && !isEmptyTable(value))
      wrong[name] = 'expected an array'
  }
  return wrong
}

/** What may stand beneath an entity, and the field by which it refers to that one. */
const CHILDREN: ReadonlyMap<Collection, ReadonlyMap<Collection, string>> = new Map(
  COLLECTIONS.map(parent => [
    parent,
    new Map(
      DEFINITIONS.flatMap(({ name, references }) =>
        references.filter(({ to }) => to === parent).map(({ field }) => [name, field] as const),
      ),
    ),
  ]),
)

/** Finds all entities, gives them ids, and takes those beneath others out of them. */
function collect(tree: Tree, auto: AutoValues, parent?: Named): Named[] {
  const beneath = parent && CHILDREN.get(parent.collection)
  return COLLECTIONS.flatMap(collection => {
    const items = tree[collection]
    const field = beneath?.get(collection)
    if (!Array.isArray(items) || (parent && field === undefined)) return []
    return items.flatMap((item: unknown, i) =>
      collectItem(isObject(item) ? item : {}, {
        collection,
        auto,
        at: [...(parent?.at ?? []), collection, i],
        ...(parent && field !== undefined && { owner: { field, id: parent.id } }),
      }),
    )
  })
}

interface ItemPlace {
  readonly collection: Collection
  readonly auto: AutoValues
  readonly at: Place
  readonly owner?: Parent
}

function collectItem(item: Tree, { collection, auto, at, owner }: ItemPlace): Named[] {
  const { _comment, _ignore, ...given } = item
  const children = CHILDREN.get(collection)
  const entries = Object.entries(given)
  const isNested = ([name]: readonly [string, unknown]) => isCollection(name) && children?.has(name) === true
  const own = Object.fromEntries(entries.filter(entry => !isNested(entry)))
  const id = typeof own.id === 'string' ? own.id : (stableId(collection, own, owner) ?? auto.uuid())
  const data = { ...own, id, ...(owner && { [owner.field]: { id: owner.id } }) }
  const { endpointKey = 'id' } = ENTITIES[collection]
  const entry: Named = { collection, data, id, at, label: String(data[endpointKey as 'id'] ?? id) }
  return [entry, ...collect(Object.fromEntries(entries.filter(isNested)), auto, entry)]
}

function readEntity(
  { collection, data: given }: Named,
  ids: ReadonlyMap<string, string>,
  transform: boolean,
  { schemas, auto }: ReadOptions,
) {
  const schema = schemas[collection]
  const { data: named, missing } = resolveNames(given, collection, ids)
  const prepared = ENTITIES[collection].prepare?.(named) ?? named
  const data: Tree = 'refused' in prepared ? named : prepared
  const filled = schema.fill(data, 'insert', auto)
  const violations: Violations = { ...(schema.checkShorthands(data) ?? schema.check(filled)) }
  for (const name of missing.keys()) delete violations[name]
  const isWrong = Object.keys(violations).length > 0
  if (isWrong) for (const name of missing.keys()) violations[name] = { id: 'missing primary key' }
  // Without a database an entity shows a time to live only where it was given one.
  const ttl = typeof data.ttl === 'number' ? data.ttl : undefined
  return {
    row: storedRow(collection, schema, { filled, given: transform ? data : {}, ttl }, auto),
    ...(isWrong && { violations }),
    ...(!isWrong && missing.size > 0 && { unresolved: [...missing.values()] }),
  }
}
