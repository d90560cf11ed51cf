import { isObject } from '../../schema/spec.ts'

/** A row of any collection, as the table sees it. */
export type Row = Readonly<Record<string, unknown>> & { readonly id: string }

/** A row with the moment at which it expires, milliseconds since the epoch; readers get the seconds that are left. */
export type StoredRow = Row & { readonly expiresAtMs?: number }

/** What a table of a collection is indexed by. */
export interface TableKeys {
  /** Fields whose values are unique, such as `name`. */
  readonly unique: readonly string[]
  /** Fields that refer to another collection, such as `service`. */
  readonly foreign: readonly string[]
}

/** Reading a table. Rows come in the order of their ids, as Kong's pages do. */
export interface ReadableTable {
  readonly size: number
  get(id: string): StoredRow | undefined
  by(field: string, value: unknown): StoredRow | undefined
  /** The rows whose `field` refers to the entity with this id. */
  referring(field: string, id: string): readonly StoredRow[]
  list(): readonly StoredRow[]
}

function referenced(row: StoredRow, field: string): string | undefined {
  const value = row[field]
  return isObject(value) && typeof value.id === 'string' ? value.id : undefined
}

const byId = (a: StoredRow, b: StoredRow): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

/** Rows of one collection with their indexes. */
export class Table implements ReadableTable {
  readonly #keys: TableKeys
  readonly #rows = new Map<string, StoredRow>()
  readonly #unique = new Map<string, Map<unknown, StoredRow>>()
  readonly #foreign = new Map<string, Map<string, Map<string, StoredRow>>>()
  #sorted: readonly StoredRow[] | undefined

  constructor(keys: TableKeys, rows: Iterable<StoredRow> = []) {
    this.#keys = keys
    for (const field of keys.unique) this.#unique.set(field, new Map())
    for (const field of keys.foreign) this.#foreign.set(field, new Map())
    for (const row of rows) this.put(row)
  }

  get size(): number {
    return this.#rows.size
  }

  get(id: string): StoredRow | undefined {
    return this.#rows.get(id)
  }

  by(field: string, value: unknown): StoredRow | undefined {
    return this.#unique.get(field)?.get(value)
  }

  referring(field: string, id: string): readonly StoredRow[] {
    const rows = this.#foreign.get(field)?.get(id)
    return rows ? [...rows.values()].sort(byId) : []
  }

  list(): readonly StoredRow[] {
    this.#sorted ??= [...this.#rows.values()].sort(byId)
    return this.#sorted
  }

  put(row: StoredRow): void {
    this.delete(row.id)
    this.#sorted = undefined
    this.#rows.set(row.id, row)
    for (const [field, index] of this.#unique) {
      const value = row[field]
      if (value !== null && value !== undefined) index.set(value, row)
    }
    for (const [field, index] of this.#foreign) {
      const id = referenced(row, field)
      if (id === undefined) continue
      const rows = index.get(id) ?? new Map<string, StoredRow>()
      rows.set(row.id, row)
      index.set(id, rows)
    }
  }

  delete(id: string): StoredRow | undefined {
    const row = this.#rows.get(id)
    if (!row) return undefined
    this.#sorted = undefined
    this.#rows.delete(id)
    for (const [field, index] of this.#unique) if (index.get(row[field]) === row) index.delete(row[field])
    for (const [field, index] of this.#foreign) {
      const parent = referenced(row, field)
      if (parent === undefined) continue
      const rows = index.get(parent)
      rows?.delete(id)
      if (rows?.size === 0) index.delete(parent)
    }
    return row
  }

  clone(): Table {
    return new Table(this.#keys, this.#rows.values())
  }
}
