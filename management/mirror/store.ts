import { isUuid } from '../../foundation/uuid.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import { HELD } from '../changes/lease.ts'
import { byReference, type CountedSource } from '../changes/source.ts'
import type { Queries } from '../database.ts'
import type { Sealer } from '../sealer.ts'
import { contextOf, type Mirrored } from './mirrored.ts'

/** Columns of references, by the field. */
export const REFERENCE_COLUMNS: Readonly<Record<string, string>> = {
  service: 'service',
  route: 'route',
  consumer: 'consumer',
  upstream: 'upstream',
  certificate: 'certificate',
  client_certificate: 'certificate',
  set: 'key_set',
}

interface StoredRow {
  readonly id: string
  readonly shown: Row
  readonly sealed: Buffer | null
}

/** An entity as the API shows it. */
export interface ShownRow {
  readonly kind: KindName
  readonly id: string
  readonly row: Row
}

/** What is compared with a reading of Kong. */
export interface Seen {
  readonly kind: KindName
  readonly id: string
  readonly digest: string
  readonly changed_at: Date
  /** Kong drops it by itself. */
  readonly is_expired: boolean
}

/** The mirror of Kong's entities in PostgreSQL. */
export class MirrorStore implements CountedSource {
  readonly #database: Queries
  readonly #sealer: Sealer

  constructor(database: Queries, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** With its secrets. */
  async find(kind: KindName, key: string): Promise<Row | undefined> {
    const [column, value] = isUuid(key) ? ['id', key] : ['name', key]
    if (column === 'name' && !hasNameColumn(kind)) return undefined
    const { rows } = await this.#database.query<StoredRow>(
      `select id, shown, sealed from sluice_manager.entities where kind = $1 and ${column} = $2 ${ALIVE}`,
      [kind, value],
    )
    // The names of some entities are found by another field, too: a consumer by its custom_id.
    const nameField = KINDS[kind].endpointKey ?? ''
    const row = column === 'id' ? rows[0] : rows.find(({ shown }) => shown[nameField] === key)
    return row && this.#open(kind, row)
  }

  /** When Kong drops an entity by itself, seconds since the epoch. */
  async expiryOf(kind: KindName, id: string): Promise<number | undefined> {
    const { rows } = await this.#database.query<{ expires_at: Date | null }>(
      'select expires_at from sluice_manager.entities where kind = $1 and id = $2',
      [kind, id],
    )
    const at = rows[0]?.expires_at
    return at ? at.getTime() / 1_000 : undefined
  }

  async referring(kind: KindName, field: string, id: string): Promise<readonly Row[]> {
    const column = REFERENCE_COLUMNS[field]
    if (column === undefined) return []
    const { rows } = await this.#database.query<StoredRow>(
      `select id, shown, sealed from sluice_manager.entities where kind = $1 and ${column} = $2 ${ALIVE}`,
      [kind, id],
    )
    return rows.filter(({ shown }) => idIn(shown[field]) === id).map(row => this.#open(kind, row))
  }

  async referringAny(kind: KindName, field: string, ids: readonly string[]) {
    const column = REFERENCE_COLUMNS[field]
    if (column === undefined) return byReference(ids, field, [])
    const { rows } = await this.#database.query<StoredRow>(
      `select id, shown, sealed from sluice_manager.entities where kind = $1 and ${column} = any($2::uuid[]) ${ALIVE}`,
      [kind, ids],
    )
    return byReference(
      ids,
      field,
      rows.map(row => this.#open(kind, row)),
    )
  }

  /** How many entities of a kind there are. */
  async count(kind: KindName): Promise<number> {
    const { rows } = await this.#database.query<{ count: number }>(
      'select count(*)::int as count from sluice_manager.entities where kind = $1',
      [kind],
    )
    return rows[0]?.count ?? 0
  }

  async findBy(kind: KindName, fields: Row): Promise<Row | undefined> {
    const name = KINDS[kind].endpointKey
    const byName = name !== undefined && typeof fields[name] === 'string' && hasNameColumn(kind)
    const { rows } = await this.#database.query<StoredRow>(
      `select id, shown, sealed from sluice_manager.entities
        where kind = $1 and shown @> $2 ${byName ? 'and name = $3' : ''} ${ALIVE} limit 1`,
      [kind, JSON.stringify(fields), ...(byName ? [fields[name]] : [])],
    )
    return rows[0] && this.#open(kind, rows[0])
  }

  /** Services that trust a CA certificate. */
  async trusting(id: string): Promise<readonly Row[]> {
    const { rows } = await this.#database.query<StoredRow>(
      `select id, shown, sealed from sluice_manager.entities where kind = 'services' and shown -> 'ca_certificates' ? $1`,
      [id],
    )
    return rows.map(row => this.#open('services', row))
  }

  async hasAny(kind: KindName): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      'select 1 from sluice_manager.entities where kind = $1 limit 1',
      [kind],
    )
    return (rowCount ?? 0) > 0
  }

  /** All entities, secrets masked. */
  async shownRows(): Promise<readonly ShownRow[]> {
    const { rows } = await this.#database.query<ShownRow>(
      `select kind, id, shown as row from sluice_manager.entities where true ${ALIVE}`,
    )
    return rows
  }

  async seen(): Promise<readonly Seen[]> {
    const { rows } = await this.#database.query<Seen>(
      'select kind, id, digest, changed_at, coalesce(expires_at <= now(), false) as is_expired from sluice_manager.entities',
    )
    return rows
  }

  /** PostgreSQL's clock. */
  async now(): Promise<Date> {
    const { rows } = await this.#database.query<{ now: Date }>('select clock_timestamp() as now')
    return rows[0]?.now ?? new Date(0)
  }

  /** When Kong was read as a whole; undefined before the first time. */
  async readAt(): Promise<Date | undefined> {
    return (await this.mark()).readAt
  }

  /** When Kong was read as a whole, and why it can only be read. */
  async mark(): Promise<{ readonly readAt: Date | undefined; readonly readOnly: string | undefined }> {
    const { rows } = await this.#database.query<{ read_at: Date | null; read_only: string | null }>(
      'select read_at, read_only from sluice_manager.mirror',
    )
    return { readAt: rows[0]?.read_at ?? undefined, readOnly: rows[0]?.read_only ?? undefined }
  }

  /** Notes that all of Kong was seen; what was reported before and not again is gone. */
  async markRead(epoch: number, at: Date, readOnly: string | undefined): Promise<void> {
    await this.#database.query(
      `with ${HELD}, over as (delete from sluice_manager.drift using held where seen_at < $2)
       update sluice_manager.mirror set read_at = $2, read_only = $3 from held`,
      [epoch, at, readOnly ?? null],
    )
  }

  /** Puts entities into the mirror, some hundreds at once; removes others. */
  async adopt(
    epoch: number,
    present: readonly Mirrored[],
    gone: readonly { readonly kind: KindName; readonly id: string }[],
  ): Promise<void> {
    await this.#database.query(
      `with ${HELD}, gone as (
         ${removing('$3')}),
       known as (
         ${endingDrift('$3::jsonb || $2::jsonb')})
       ${putting('$2')}`,
      [epoch, putAsJson(present), JSON.stringify(gone.map(({ kind, id }) => ({ kind, id })))],
    )
  }

  /** Opens what is sealed. */
  #open(kind: KindName, { id, shown, sealed }: StoredRow): Row {
    return sealed ? (this.#sealer.open(sealed, contextOf(kind, id)) as Row) : shown
  }
}

/** A statement behind HELD that puts entities into the mirror. @param rows the parameter that holds `putAsJson` */
export const putting = (rows: string): string =>
  `insert into sluice_manager.entities (kind, id, shown, sealed, etag, digest, expires_at, changed_at)
   select p.kind, p.id, p.shown, decode(p.sealed, 'base64'), p.etag, p.digest, p.expires_at, clock_timestamp()
     from held, jsonb_to_recordset(${rows}::jsonb)
       as p(kind text, id uuid, shown jsonb, sealed text, etag text, digest text, expires_at timestamptz)
   on conflict (kind, id) do update set shown = excluded.shown, sealed = excluded.sealed, etag = excluded.etag,
     digest = excluded.digest, expires_at = excluded.expires_at, changed_at = excluded.changed_at`

export const putAsJson = (rows: readonly Mirrored[]): string =>
  JSON.stringify(
    rows.map(({ sealed, expiresAt, ...row }) => ({
      ...row,
      sealed: sealed?.toString('base64') ?? null,
      expires_at: expiresAt,
    })),
  )

/** A statement behind HELD that takes entities out of the mirror. @param rows the parameter that holds kinds and ids as JSON */
export const removing = (rows: string): string =>
  `delete from sluice_manager.entities e using held, jsonb_to_recordset(${rows}::jsonb) as g(kind text, id uuid)
    where e.kind = g.kind and e.id = g.id`

/**
 * A statement behind HELD that takes what was reported of entities away: the mirror holds what Kong has of them.
 * @param rows kinds and ids as JSON
 */
export const endingDrift = (rows: string): string =>
  `delete from sluice_manager.drift d using held, jsonb_to_recordset(${rows}) as g(kind text, id uuid)
    where d.kind = g.kind and d.id = g.id`

/** What Kong has dropped by itself meanwhile is not there. */
export const ALIVE = 'and (expires_at is null or expires_at > now())'

const hasNameColumn = (kind: KindName): boolean =>
  ['name', 'username', 'prefix', 'target'].includes(KINDS[kind].endpointKey ?? '')
