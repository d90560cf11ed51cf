import { isUuid } from '../../foundation/uuid.ts'
import { KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import type { Database } from '../database.ts'
import { contextOf, isNamedBySecret } from '../mirror/mirrored.ts'
import { ALIVE } from '../mirror/store.ts'
import type { Sealer } from '../sealer.ts'
import type { Cursor } from './cursor.ts'
import { countSql, type ListFilter, type ListQuery, pageSql } from './list-query.ts'
import { type ReadRow, SharedLookUps } from './shared-lookups.ts'

/** An entity as it is sent. */
export interface ShownEntity {
  readonly json: string
  readonly etag: string
}

interface SecretRow {
  readonly sealed: Buffer | null
}

interface PageRow extends Pick<ReadRow, 'id' | 'json' | 'expires_at'> {
  readonly value: string | number
}

export interface ListPage {
  readonly items: readonly string[]
  readonly last: Pick<Cursor, 'value' | 'id'> | undefined
}

/** Reads from the mirror; secrets are masked. */
export class EntityReads {
  readonly #database: Database
  readonly #sealer: Sealer
  readonly #now: () => number
  readonly #lookUps: SharedLookUps

  /** @param now milliseconds since the epoch */
  constructor(database: Database, sealer: Sealer, now: () => number) {
    this.#database = database
    this.#sealer = sealer
    this.#now = now
    this.#lookUps = new SharedLookUps(database)
  }

  /** @param key an id, or the name that stands in paths. */
  async one(kind: KindName, key: string): Promise<ShownEntity | undefined> {
    const row = await this.#row(kind, key)
    if (!row) return undefined
    const [json = row.json] = await this.#withNames(kind, [row])
    return { json: this.#withTtl(json, row), etag: row.etag }
  }

  /** With its secrets. */
  async revealed(kind: KindName, key: string): Promise<ShownEntity | undefined> {
    const row = await this.#row(kind, key)
    if (!row) return undefined
    const { rows } = await this.#database.query<SecretRow>(SECRETS, [kind, row.id])
    const sealed = rows[0]?.sealed
    const open = sealed ? JSON.stringify(this.#sealer.open(sealed, contextOf(kind, row.id))) : row.json
    const [json = open] = await this.#withNames(kind, [{ id: row.id, json: open }])
    return { json: this.#withTtl(json, row), etag: row.etag }
  }

  /** The id of an entity that is named by its id or name. */
  async idOf(kind: KindName, key: string): Promise<string | undefined> {
    return isUuid(key) ? key : (await this.#row(kind, key))?.id
  }

  /** A page of a list, each entity as JSON; `last` where others follow. */
  async page(query: ListQuery): Promise<ListPage> {
    const { values, ...statement } = pageSql(query)
    const { rows } = await this.#database.query<PageRow>(
      statement.name === undefined ? statement.text : { name: statement.name, text: statement.text },
      values,
    )
    const items = rows.slice(0, query.size)
    const end = items.at(-1)
    const texts = await this.#withNames(query.kind, items)
    return {
      items: items.map((row, i) => this.#withTtl(texts[i] ?? row.json, row)),
      last: rows.length > query.size && end ? { value: end.value, id: end.id } : undefined,
    }
  }

  async count(filter: ListFilter): Promise<number> {
    const { text, values } = countSql(filter)
    const { rows } = await this.#database.query<{ count: number }>(text, values)
    return rows[0]?.count ?? 0
  }

  async #row(kind: KindName, key: string): Promise<ReadRow | undefined> {
    if (isUuid(key)) return this.#lookUps.find(kind, key)
    const { endpointKey } = KINDS[kind]
    if (endpointKey === undefined || isNamedBySecret(kind)) return undefined
    return (await this.#database.query<ReadRow>(ONE_BY_NAME, [kind, key, endpointKey])).rows[0]
  }

  /** Kong shows certificates with their server names, which change without them. */
  async #withNames(
    kind: KindName,
    rows: readonly Pick<ReadRow, 'id' | 'json'>[],
  ): Promise<readonly string[]> {
    if (kind !== 'certificates' || rows.length === 0) return rows.map(({ json }) => json)
    const found = await this.#database.query<{ certificate: string; names: readonly string[] }>(
      SERVER_NAMES,
      [rows.map(({ id }) => id)],
    )
    const names = new Map(found.rows.map(row => [row.certificate, row.names]))
    return rows.map(({ id, json }) =>
      JSON.stringify({ ...(JSON.parse(json) as object), snis: names.get(id) ?? [] }),
    )
  }

  /** Kong reports the seconds that are left. */
  #withTtl(json: string, { expires_at: expiresAt }: Pick<ReadRow, 'expires_at'>): string {
    if (!expiresAt) return json
    const ttl = Math.max(0, Math.round((expiresAt.getTime() - this.#now()) / 1_000))
    return JSON.stringify({ ...(JSON.parse(json) as object), ttl })
  }
}

const SERVER_NAMES = `select certificate, array_agg(name order by name collate "C") as names from sluice_manager.entities
  where kind = 'snis' and certificate = any($1::uuid[]) group by certificate`

const SECRETS = 'select sealed from sluice_manager.entities where kind = $1 and id = $2'

const ONE_BY_NAME = {
  name: 'entity-by-name',
  text: `select id, json, etag, expires_at from sluice_manager.entities
    where kind = $1 and (name = $2 or shown ->> $3 = $2) and shown ->> $3 = $2 ${ALIVE}`,
}
