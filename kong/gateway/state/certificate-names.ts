import { schemaViolation } from './errors.ts'
import type { Key } from './key.ts'
import { referenceId } from './references.ts'
import type { State } from './state.ts'
import type { EntityStore } from './store.ts'
import type { Row } from './table.ts'

type Data = Readonly<Record<string, unknown>>

/**
 * Certificates are given and answered with a list of their server names, which are entities of their own.
 *
 * @param store keeps the certificates and the SNIs
 */
export function withServerNames(store: EntityStore, state: State): EntityStore {
  const named = (row: Row): Row => ({ ...row, snis: namesOf(state, row.id) })
  return {
    ...store,
    page(collection, options) {
      const page = store.page(collection, options)
      return collection === 'certificates' ? { ...page, data: page.data.map(named) } : page
    },
    insert(collection, data) {
      if (collection !== 'certificates') return store.insert(collection, data)
      return writeNamed({ store, state }, data, undefined, () => store.insert('certificates', data))
    },
    update(collection, key, data) {
      if (collection !== 'certificates') return store.update(collection, key, data)
      return writeNamed({ store, state }, data, key, () => store.update('certificates', key, data))
    },
    upsert(collection, key, data) {
      if (collection !== 'certificates') return store.upsert(collection, key, data)
      return writeNamed({ store, state }, data, key, () => store.upsert('certificates', key, data))
    },
  }
}

interface Stores {
  readonly store: EntityStore
  readonly state: State
}

export const namesOf = (state: State, certificateId: string): readonly string[] =>
  state
    .referring('snis', 'certificate', certificateId)
    .map(({ name }) => name)
    .sort()

function writeNamed({ store, state }: Stores, data: Data, key: Key | undefined, write: () => Row): Row {
  const names = nameList(data.snis)
  const ownId = key && 'id' in key ? key.id : undefined
  for (const name of names ?? []) refuseTaken(store, name, ownId)
  const row = write()
  if (names) replaceNames(store, state, row.id, names)
  return { ...row, snis: namesOf(state, row.id) }
}

/** Undefined leaves the names as they are. */
function nameList(given: unknown): readonly string[] | undefined {
  if (given === null) return []
  if (!Array.isArray(given)) return undefined
  const names = given.map(String)
  const double = names.find((name, i) => names.indexOf(name) !== i)
  if (double !== undefined) throw schemaViolation({ snis: `${double} is duplicated` })
  return names
}

function refuseTaken(store: EntityStore, name: string, ownId: string | undefined): void {
  const present = store.select('snis', { field: 'name', value: name })
  const certificateId = present && referenceId(present, 'certificate')
  if (certificateId === undefined || certificateId === ownId) return
  throw schemaViolation({ snis: `${name} already associated with existing certificate '${certificateId}'` })
}

function replaceNames(store: EntityStore, state: State, id: string, names: readonly string[]): void {
  const present = namesOf(state, id)
  for (const name of names) if (!present.includes(name)) store.insert('snis', { name, certificate: { id } })
  for (const name of present) if (!names.includes(name)) store.delete('snis', { field: 'name', value: name })
}
