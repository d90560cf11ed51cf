/** A row of any collection, as the table sees it. */
export type Row = Readonly<Record<string, unknown>> & { readonly id: string }

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
  get(id: string): Row | undefined
  by(field: string, value: unknown): Row | undefined
  /** The rows whose `field` refers to the entity with this id. */
  referring(field: string, id: string): readonly Row[]
  list(): readonly Row[]
}

const referenced = (row: Row, field: string): string | undefined =>
  (row[field] as { id?: string } | null | undefined)?.id

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

/** Rows of one collection with their indexes. */
export class Table implements ReadableTable {
  readonly #keys: TableKeys
  readonly #rows = new Map<string, Row>()
  readonly #unique = new Map<string, Map<unknown, Row>>()
  readonly #foreign = new Map<string, Map<string, Map<string, Row>>>()
  #sorted: readonly Row[] | undefined

  constructor(keys: TableKeys, rows: Iterable<Row> = []) {
    this.#keys = keys
    for (const field of keys.unique) this.#unique.set(field, new Map())
    for (const field of keys.foreign) this.#foreign.set(field, new Map())
    for (const row of rows) this.put(row)
  }

  get size(): number {
    return this.#rows.size
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id)
  }

  by(field: string, value: unknown): Row | undefined {
    return this.#unique.get(field)?.get(value)
  }

  referring(field: string, id: string): readonly Row[] {
    const rows = this.#foreign.get(field)?.get(id)
    return rows ? [...rows.values()].sort(byId) : []
  }

  list(): readonly Row[] {
    this.#sorted ??= [...this.#rows.values()].sort(byId)
    return this.#sorted
  }

  put(row: Row): void {
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
      const rows = index.get(id) ?? new Map<string, Row>()
      rows.set(row.id, row)
      index.set(id, rows)
    }
  }

  delete(id: string): Row | undefined {
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
