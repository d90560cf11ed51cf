import { groupBy } from '../../../foundation/group-by.ts'
import { COLLECTIONS, type Collection, DEFINITIONS, ENTITIES, isCollection } from '../../entities/entities.ts'
import type { EntitySchemas } from '../../entities/schemas.ts'
import type { AutoValues } from '../../schema/field.ts'
import { isEmptyTable, isObject, type Violation, type Violations } from '../../schema/spec.ts'
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

export interface DeclaredEntity {
  /** As it is stored: passwords hashed, targets with their port. */
  readonly row: Row
  /** As it was declared, with its defaults. */
  readonly declared: Row
}

/**
 * Checks a configuration and makes entities of it. Entities may stand beneath the ones that they refer to, and refer
 * by id or by name.
 *
 * @throws EntityError with Kong's code 14 and all that is wrong.
 */
export function readEntities(
  tree: Tree,
  options: ReadOptions,
): ReadonlyMap<Collection, readonly DeclaredEntity[]> {
  const wrong: Violations = checkTop(tree)
  const found = collect(tree, options.auto)
  const { ids, doubles } = nameIndex(found)
  const read = found.map(entry => {
    const { violations, unresolved, entity } = readEntity(entry, ids, tree._transform !== false, options)
    if (violations) place(wrong, entry.at, violations)
    if (unresolved) place(doubles, [entry.collection, entry.label], unresolved)
    return { collection: entry.collection, entity }
  })
  // Kong looks for the later kinds of faults only once the earlier ones are fixed.
  for (const faults of [wrong, doubles, sharedValues(found)])
    if (Object.keys(faults).length > 0) throw invalidDeclaration(faults)
  const byCollection = groupBy(read, ({ collection }) => collection)
  return new Map(
    [...byCollection].map(([collection, group]) => [collection, group.map(({ entity }) => entity)]),
  )
}

/** Fields of Kong's own that say nothing here: it has one workspace and no parameters. */
const IGNORED = ['workspaces', 'parameters']

function checkTop(tree: Tree): Violations {
  const wrong: Violations = {}
  const { _format_version: version, _transform: transform } = tree
  if (version === undefined || version === null) wrong._format_version = 'required field missing'
  else if (typeof version !== 'string') wrong._format_version = 'expected a string'
  else if (version !== '3.0') wrong._format_version = 'expected one of: 1.1, 2.1, 3.0'
  if (transform !== undefined && transform !== null && typeof transform !== 'boolean')
    wrong._transform = 'expected a boolean'
  Object.assign(wrong, checkRemarks(tree))
  for (const [name, value] of Object.entries(tree)) {
    if (['_format_version', '_transform', ...REMARKS, ...IGNORED].includes(name)) continue
    if (!isCollection(name)) wrong[name] = 'unknown field'
    else if (value !== null && !Array.isArray(value) && !isEmptyTable(value))
      wrong[name] = 'expected an array'
  }
  return wrong
}

const REMARKS = ['_comment', '_ignore']

/** A remark is a string; what is to be ignored is a list. */
function checkRemarks({ _comment, _ignore }: Tree): Violations {
  return {
    ...(!isUnset(_comment) && typeof _comment !== 'string' && { _comment: 'expected a string' }),
    ...(!isUnset(_ignore) &&
      !Array.isArray(_ignore) &&
      !isEmptyTable(_ignore) && { _ignore: 'expected an array' }),
  }
}

const isUnset = (value: unknown): boolean => value === undefined || value === null

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
      collectItem(item, {
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

function collectItem(item: unknown, { collection, auto, at, owner }: ItemPlace): Named[] {
  const { _comment, _ignore, ...given } = isObject(item) ? item : {}
  const children = CHILDREN.get(collection)
  const entries = Object.entries(given)
  const isNested = ([name]: readonly [string, unknown]) => isCollection(name) && children?.has(name) === true
  const own = Object.fromEntries(entries.filter(entry => !isNested(entry)))
  const id = typeof own.id === 'string' ? own.id : (stableId(collection, own, owner) ?? auto.uuid())
  const { endpointKey = 'id' } = ENTITIES[collection]
  const entry: Named = {
    ...{ collection, id, at },
    data: { ...own, id, ...(owner && { [owner.field]: { id: owner.id } }) },
    label: String(own[endpointKey] ?? id),
    faults: {
      ...checkRemarks({ _comment, _ignore }),
      // What it stands beneath says what it refers to.
      ...(owner && !isUnset(own[owner.field]) && { [owner.field]: 'value must be null' }),
    },
    isRecord: isObject(item) || isEmptyTable(item),
  }
  return [entry, ...collect(Object.fromEntries(entries.filter(isNested)), auto, entry)]
}

interface ReadEntity {
  readonly entity: DeclaredEntity
  readonly violations?: Violation
  /** References that lead nowhere. */
  readonly unresolved?: readonly string[]
}

function readEntity(
  entry: Named,
  ids: ReadonlyMap<string, string>,
  transform: boolean,
  { schemas, auto }: ReadOptions,
): ReadEntity {
  const { collection } = entry
  const schema = schemas[collection]
  const { data, missing } = resolveNames(entry, schema, ids)
  const prepared = ENTITIES[collection].prepare?.(data) ?? data
  const given: Tree = 'refused' in prepared ? data : prepared
  const filled = schema.fill(given, 'insert', auto)
  const violations: Violations = {
    ...(schema.checkShorthands(given) ?? schema.check(filled)),
    ...entry.faults,
  }
  for (const name of missing.keys()) delete violations[name]
  const isWrong = Object.keys(violations).length > 0
  if (isWrong) for (const name of missing.keys()) violations[name] = { id: 'missing primary key' }
  // Without a database an entity shows a time to live only where it was given one.
  const ttl = typeof given.ttl === 'number' ? given.ttl : undefined
  const row = storedRow(collection, schema, { filled, given: transform ? given : {}, ttl }, auto)
  const declared = storedRow(collection, schema, { filled, given: {}, ttl }, auto)
  return {
    entity: { row, declared: 'target' in data ? { ...declared, target: data.target } : declared },
    ...(isWrong && { violations: entry.isRecord ? violations : 'expected a record' }),
    ...(!isWrong && missing.size > 0 && { unresolved: [...missing.values()] }),
  }
}
