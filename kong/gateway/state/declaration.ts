import { createHash } from 'node:crypto'
import { COLLECTIONS, type Collection } from '../../entities/entities.ts'
import { isObject } from '../../schema/spec.ts'
import { type DeclaredEntity, type ReadOptions, readEntities } from './declared.ts'
import { invalidDeclaration } from './errors.ts'
import { parseYaml, writeYaml } from './lyaml.ts'
import { migrateDeclaration } from './migrate.ts'
import type { Lookup, State } from './state.ts'
import type { Row } from './table.ts'

type Tree = Readonly<Record<string, unknown>>

/** A declarative configuration, taken apart. */
export interface Declaration {
  readonly entities: ReadonlyMap<Collection, readonly DeclaredEntity[]>
  /** Of its text, in hex: tells whether it is the one in force. */
  readonly hash: string
}

/**
 * Reads JSON or YAML.
 *
 * @throws EntityError with Kong's code 14.
 */
export function parseDeclaration(text: string): Tree {
  let reason = 'expected an object'
  try {
    const tree: unknown = parseYaml(text)
    if (isObject(tree)) return tree
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error)
  }
  throw invalidDeclaration({ error: `failed parsing declarative configuration: ${reason}` })
}

export const hashOf = (text: string): string => createHash('md5').update(text).digest('hex')

/** Nothing is loaded. */
export const EMPTY_HASH = '0'.repeat(32)

/**
 * Checks a configuration, in the form of any of its versions, and makes entities of it.
 *
 * @throws EntityError with Kong's code 14 and all that is wrong.
 */
export function readDeclaration(tree: Tree, options: ReadOptions, hash?: string): Declaration {
  const entities = readEntities(migrateDeclaration(tree), options)
  return { entities, hash: entities.size === 0 ? EMPTY_HASH : (hash ?? hashOf(JSON.stringify(tree))) }
}

/** Puts a configuration in the place of the whole state. */
export function loadDeclaration(state: State, declaration: Declaration): void {
  state.transact(tx => {
    for (const collection of COLLECTIONS) for (const { id } of tx.list(collection)) tx.delete(collection, id)
    for (const [collection, entities] of declaration.entities)
      for (const { row } of entities) tx.put(collection, row)
  })
}

/** The state as a declarative file in Kong's form: flat, references by id. */
export function writeDeclaration(lookup: Lookup): string {
  const tree: Record<string, unknown> = { _format_version: '3.0', _transform: false }
  for (const collection of COLLECTIONS) {
    const rows: readonly Row[] = lookup.list(collection)
    if (rows.length > 0) tree[collection] = rows.map(row => flat(row))
  }
  return writeYaml(tree)
}

const flat = (row: Row): Tree =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, isReference(value) ? value.id : value]),
  )

const isReference = (value: unknown): value is { id: string } =>
  isObject(value) && typeof value.id === 'string' && Object.keys(value).length === 1
