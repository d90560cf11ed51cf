import { COLLECTIONS, type Collection, DEFINITIONS, ENTITIES, type Entity } from '../../entities/entities.ts'
import { type Row, type StoredRow, Table } from './table.ts'

/** Looking up entities. A credential whose time to live is over is not found. */
export interface Lookup {
  get<C extends Collection>(collection: C, id: string): Entity<C> | undefined
  /** By a unique field: `find('consumers', 'username', 'jason')`, `find('keyauth_credentials', 'key', …)`. */
  find<C extends Collection>(collection: C, field: string, value: string): Entity<C> | undefined
  /** The entities of `collection` whose `field` refers to `id`: `referring('acls', 'consumer', consumer.id)`. */
  referring<C extends Collection>(collection: C, field: string, id: string): readonly Entity<C>[]
  /** All of a collection, in the order of their ids. */
  list<C extends Collection>(collection: C): readonly Entity<C>[]
}

/** The state as it was at one version. Never changes, so a router can be built from it and kept. */
export interface Snapshot extends Lookup {
  readonly version: number
}

/** What a change may do besides looking up. Its lookups see its own writes. */
export interface Transaction extends Lookup {
  put(collection: Collection, row: Row): void
  delete(collection: Collection, id: string): void
}

/**
 * Where the gateway keeps its entities. Its own lookups see the present; what is built from the entities and kept
 * is built from a snapshot. Checks nothing: that is the part of the entity store.
 */
export interface State extends Lookup {
  /** Rises by one with each change. */
  readonly version: number
  /** The same object for as long as the version stays. */
  snapshot(): Snapshot
  /** Makes a change at once and whole: when `change` throws, nothing was changed. */
  transact<T>(change: (transaction: Transaction) => T): T
  /** Calls `listener` after each change, at once; the returned function ends that. */
  subscribe(listener: (version: number) => void): () => void
}

type Tables = Readonly<Record<Collection, Table>>

/** Collections whose entities can have a time to live. */
const EXPIRING = new Set(DEFINITIONS.filter(({ schema }) => schema.ttl).map(({ name }) => name))

/**
 * A state in memory.
 *
 * @param now milliseconds since the epoch, for credentials with a time to live.
 */
export function createMemoryState(now: () => number): State {
  const tables = tablesOf(name => {
    const { unique, references } = ENTITIES[name]
    return new Table({ unique, foreign: references.map(({ field }) => field) })
  })
  const frozen: Partial<Record<Collection, Table>> = {}
  const listeners = new Set<(version: number) => void>()
  let version = 0
  let current: Snapshot | undefined

  return {
    ...lookup(tables, now),
    get version() {
      return version
    },
    snapshot() {
      // Tables that did not change since the last snapshot are shared with it.
      current ??= {
        version,
        ...lookup(
          tablesOf(name => (frozen[name] ??= tables[name].clone())),
          now,
        ),
      }
      return current
    },
    transact(change) {
      const { result, touched } = transact(tables, now, change)
      if (touched.size > 0) {
        for (const collection of touched) delete frozen[collection]
        version++
        current = undefined
        for (const listener of listeners) listener(version)
      }
      return result
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

const tablesOf = (table: (name: Collection) => Table): Tables =>
  Object.fromEntries(COLLECTIONS.map(name => [name, table(name)])) as Tables

/** Runs a change; undoes its steps when it throws. */
function transact<T>(tables: Tables, now: () => number, change: (transaction: Transaction) => T) {
  const undo: (() => void)[] = []
  const touched = new Set<Collection>()
  const transaction: Transaction = {
    ...lookup(tables, now),
    put(collection, given) {
      const table = tables[collection]
      const before = table.get(given.id)
      undo.push(() => (before ? table.put(before) : table.delete(given.id)))
      touched.add(collection)
      table.put(EXPIRING.has(collection) ? stamped(given, before, now) : given)
    },
    delete(collection, id) {
      const before = tables[collection].delete(id)
      if (!before) return
      touched.add(collection)
      undo.push(() => tables[collection].put(before))
    },
  }
  try {
    return { result: change(transaction), touched }
  } catch (error) {
    for (const step of undo.reverse()) step()
    throw error
  }
}

function lookup(tables: Tables, now: () => number): Lookup {
  // The store puts only rows that the schema of their collection has filled in.
  const one = <C extends Collection>(row: StoredRow | undefined) =>
    row && (alive(row, now) as Entity<C> | undefined)
  const all = <C extends Collection>(collection: C, rows: readonly StoredRow[]) =>
    (EXPIRING.has(collection)
      ? rows.map(row => alive(row, now)).filter(row => row !== undefined)
      : rows) as readonly Entity<C>[]
  return {
    get: (collection, id) => one(tables[collection].get(id)),
    find: (collection, field, value) => one(tables[collection].by(field, value)),
    referring: (collection, field, id) => all(collection, tables[collection].referring(field, id)),
    list: collection => all(collection, tables[collection].list()),
  }
}

/** An entity whose `ttl` is undefined keeps what it has. Kong counts from `created_at`, not from now. */
function stamped(row: Row, before: StoredRow | undefined, now: () => number): StoredRow {
  const { ttl, created_at } = row
  if (ttl === undefined && before?.ttl !== undefined) {
    const { ttl: kept, expiresAtMs } = before
    return { ...row, ttl: kept, ...(expiresAtMs !== undefined && { expiresAtMs }) }
  }
  const createdAtMs = typeof created_at === 'number' ? created_at * 1000 : now()
  return typeof ttl === 'number' && ttl > 0 ? { ...row, expiresAtMs: createdAtMs + ttl * 1000 } : row
}

/** The row as a reader sees it: with the seconds that are left, or nothing when none is left. */
function alive(row: StoredRow, now: () => number): Row | undefined {
  if (row.expiresAtMs === undefined) return row
  const { expiresAtMs, ...rest } = row
  const leftMs = expiresAtMs - now()
  // Whole seconds that are still to come: Kong tells 3,599 of an hour at once.
  return leftMs > 0 ? { ...rest, ttl: Math.ceil(leftMs / 1000) - 1 } : undefined
}
