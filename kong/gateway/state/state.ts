import { COLLECTIONS, type Collection, type Entity } from '../../entities/entities.ts'
import { type Row, Table, type TableKeys } from './table.ts'

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
  put<C extends Collection>(collection: C, entity: Entity<C>): void
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

/** The unique and the foreign fields of each collection. */
export const TABLE_KEYS: Readonly<Record<Collection, TableKeys>> = {
  services: { unique: ['name'], foreign: [] },
  routes: { unique: ['name'], foreign: ['service'] },
  consumers: { unique: ['username', 'custom_id'], foreign: [] },
  plugins: { unique: ['instance_name'], foreign: ['service', 'route', 'consumer'] },
  keyauth_credentials: { unique: ['key'], foreign: ['consumer'] },
  basicauth_credentials: { unique: ['username'], foreign: ['consumer'] },
  jwt_secrets: { unique: ['key'], foreign: ['consumer'] },
  acls: { unique: [], foreign: ['consumer'] },
  upstreams: { unique: ['name'], foreign: [] },
  targets: { unique: [], foreign: ['upstream'] },
}

type Tables = Record<Collection, Table>

/** Rows keep the moment they expire, milliseconds since the epoch; readers get the seconds that are left. */
interface Expiring {
  readonly ttl: number | null
  readonly expiresAtMs?: number
}

/**
 * A state in memory.
 *
 * @param now milliseconds since the epoch, for credentials with a time to live.
 */
export function createMemoryState(now: () => number): State {
  const tables = Object.fromEntries(COLLECTIONS.map(c => [c, new Table(TABLE_KEYS[c])])) as Tables
  const frozen: Partial<Tables> = {}
  const listeners = new Set<(version: number) => void>()
  let version = 0
  let current: Snapshot | undefined

  return {
    ...lookup(tables, now),
    get version() {
      return version
    },
    snapshot() {
      if (current) return current
      // Tables that did not change since the last snapshot are shared with it.
      for (const c of COLLECTIONS) frozen[c] ??= tables[c].clone()
      current = { version, ...lookup({ ...frozen } as Tables, now) }
      return current
    },
    transact(change) {
      const undo: (() => void)[] = []
      const touched = new Set<Collection>()
      const put = (collection: Collection, row: Row) => {
        const before = tables[collection].get(row.id)
        undo.push(() => (before ? tables[collection].put(before) : tables[collection].delete(row.id)))
        touched.add(collection)
        tables[collection].put(row)
      }
      let result: ReturnType<typeof change>
      try {
        result = change({
          ...lookup(tables, now),
          put: (collection, entity) =>
            put(collection, stamped(entity as unknown as Row, tables[collection].get(entity.id), now)),
          delete(collection, id) {
            const before = tables[collection].delete(id)
            if (!before) return
            touched.add(collection)
            undo.push(() => tables[collection].put(before))
          },
        })
      } catch (error) {
        for (const step of undo.reverse()) step()
        throw error
      }
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

function lookup(tables: Tables, now: () => number): Lookup {
  const live = <C extends Collection>(row: Row | undefined): Entity<C> | undefined => alive(row, now)
  const all = <C extends Collection>(rows: readonly Row[], expiring: boolean): readonly Entity<C>[] =>
    (expiring ? rows.map(row => live<C>(row)).filter(row => row !== undefined) : rows) as readonly Entity<C>[]
  return {
    get: (collection, id) => live(tables[collection].get(id)),
    find: (collection, field, value) => live(tables[collection].by(field, value)),
    referring: (collection, field, id) =>
      all(tables[collection].referring(field, id), collection === 'keyauth_credentials'),
    list: collection => all(tables[collection].list(), collection === 'keyauth_credentials'),
  }
}

/** An entity whose `ttl` is undefined keeps the time that it has. Kong counts from `created_at`, not from now. */
function stamped(row: Row, before: Row | undefined, now: () => number): Row {
  const { ttl } = row as unknown as Expiring
  const createdAtMs = typeof row.created_at === 'number' ? row.created_at * 1000 : now()
  if (ttl === undefined && before && 'expiresAtMs' in before)
    return { ...row, ttl: before.ttl, expiresAtMs: before.expiresAtMs }
  return typeof ttl === 'number' && ttl > 0
    ? ({ ...row, expiresAtMs: createdAtMs + ttl * 1000 } as unknown as Row)
    : row
}

/** The row as a reader sees it: with the seconds that are left, or nothing when none is left. */
function alive<C extends Collection>(row: Row | undefined, now: () => number): Entity<C> | undefined {
  if (!row || !('expiresAtMs' in row)) return row as Entity<C> | undefined
  const { expiresAtMs, ...rest } = row as Row & { expiresAtMs: number }
  const leftMs = expiresAtMs - now()
  // Whole seconds that are still to come: Kong tells 3,599 of an hour at once.
  return leftMs > 0 ? ({ ...rest, ttl: Math.ceil(leftMs / 1000) - 1 } as unknown as Entity<C>) : undefined
}
