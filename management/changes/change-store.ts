import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Database, Queries } from '../database.ts'
import type { FaultPoint } from '../fault-point.ts'
import type { Sealer } from '../sealer.ts'
import type { Asker, ChangeKey, ChangeRequest, ChangeRow } from './change-record.ts'
import { Ledger } from './ledger.ts'
import { StepStore } from './step-store.ts'

export interface NewChange extends Asker {
  readonly id: string
  /** What it came by: `POST /v1/services`. */
  readonly origin: string
  readonly undoOf?: string
  readonly request: ChangeRequest
  readonly idempotency?: { readonly key: string; readonly digest: Buffer }
}

/** Changes in PostgreSQL, for whoever asks for them. */
export class ChangeStore {
  readonly steps: StepStore
  readonly #database: Database
  readonly #sealer: Sealer
  readonly #fault: FaultPoint

  constructor(database: Database, sealer: Sealer, fault: FaultPoint) {
    this.#database = database
    this.#sealer = sealer
    this.#fault = fault
    this.steps = new StepStore(database, sealer)
  }

  /** For the holder of the lease. */
  ledger(epoch: number): Ledger {
    return new Ledger({ database: this.#database, sealer: this.#sealer, fault: this.#fault }, epoch)
  }

  /**
   * Writes a change that waits for its turn.
   *
   * @returns the earlier change with the same idempotency key instead, where there is one.
   */
  async add(change: NewChange): Promise<{ readonly earlier?: EarlierChange }> {
    const { id, operatorId, request } = change
    await this.#fault('change.add.before')
    const earlier = await this.#database.transaction(async client => {
      const earlier = await claimKey(client, change)
      if (earlier) return earlier
      const sealed = this.#sealer.seal(request, `request ${id}`)
      await client.query(
        `insert into sluice_manager.changes (id, created_at, operator_id, actor, reason, origin, undo_of, request)
         values ($1, date_trunc('milliseconds', now()), $2, $3, $4, $5, $6, $7)`,
        [id, operatorId, change.actor, change.reason, change.origin, change.undoOf ?? null, sealed],
      )
      await client.query(`select pg_notify('sluice_manager', 'added')`)
      return undefined
    })
    await this.#fault('change.add.after')
    return earlier ? { earlier } : {}
  }

  /** The change of an idempotency key that is not older than a day. */
  async findByKey(
    operatorId: string | null,
    key: string,
  ): Promise<{ readonly id: string; readonly digest: Buffer } | undefined> {
    const { rows } = await this.#database.query<{ id: string; digest: Buffer }>(
      `select change_id as id, digest from sluice_manager.idempotency_keys
        where operator_id = $1 and key = $2 and created_at > now() - interval '24 hours'`,
      [operatorId, key],
    )
    return rows[0]
  }

  async find(id: string): Promise<ChangeRow | undefined> {
    const { rows } = await this.#database.query<ChangeRow>(`${SELECT_CHANGES} where id = $1`, [id])
    return rows[0]
  }

  /** The unfinished change that everything waits for, or else the next one. */
  async next(): Promise<ChangeRow | undefined> {
    const { rows } = await this.#database.query<ChangeRow>({
      name: 'next-change',
      text: `${SELECT_CHANGES} where state in ('validated', 'applying', 'undoing', 'settling')
        order by state = 'validated', sequence limit 1`,
    })
    return rows[0]
  }

  /** How many changes come before this one. */
  async ahead({ sequence }: Pick<ChangeRow, 'sequence'>): Promise<number> {
    const { rows } = await this.#database.query<{ count: number }>(
      `select count(*)::int as count from sluice_manager.changes
        where state in ('validated', 'applying', 'undoing', 'settling') and sequence < $1`,
      [sequence],
    )
    return rows[0]?.count ?? 0
  }

  async request({ id, createdAt }: ChangeKey): Promise<ChangeRequest | undefined> {
    const { rows } = await this.#database.query<{ request: Buffer | null }>(
      'select request from sluice_manager.changes where created_at = $1 and id = $2',
      [createdAt, id],
    )
    const sealed = rows[0]?.request
    return sealed ? (this.#sealer.open(sealed, `request ${id}`) as ChangeRequest) : undefined
  }

  /** Changes that have ended without anybody having been told. */
  async unpublished(count: number): Promise<readonly ChangeRow[]> {
    const { rows } = await this.#database.query<ChangeRow>(
      `${SELECT_CHANGES} where ended_at is not null and not is_published order by ended_at limit $1`,
      [count],
    )
    return rows
  }

  async setPublished({ id, createdAt }: ChangeKey): Promise<void> {
    await this.#database.query(
      'update sluice_manager.changes set is_published = true where created_at = $1 and id = $2',
      [createdAt, id],
    )
  }

  /** The latest change that has undone this one, or is about to. */
  async undoneBy(id: string): Promise<string | undefined> {
    const { rows } = await this.#database.query<{ id: string }>(
      `select id from sluice_manager.changes where undo_of = $1 and state not in ('refused', 'undone', 'stuck')
        order by sequence desc limit 1`,
      [id],
    )
    return rows[0]?.id
  }

  /** What could not be put back. */
  async stuckOf(id: string): Promise<readonly StuckEntity[]> {
    const { rows } = await this.#database.query<StuckEntity>(
      'select kind, entity_id as id, label, reason from sluice_manager.stuck where change_id = $1 order by label',
      [id],
    )
    return rows
  }

  /** Entities that could not be put back, as `kind:id`. */
  async stuck(): Promise<ReadonlySet<string>> {
    const { rows } = await this.#database.query<{ key: string }>(
      `select kind || ':' || entity_id as key from sluice_manager.stuck`,
    )
    return new Set(rows.map(({ key }) => key))
  }
}

/** Takes the idempotency key of a change; where another change has it, that one. */
async function claimKey(
  client: Queries,
  { id, idempotency, operatorId }: NewChange,
): Promise<EarlierChange | undefined> {
  if (!idempotency) return undefined
  const { rows } = await client.query<{ change_id: string; digest: Buffer }>(
    `insert into sluice_manager.idempotency_keys as k (operator_id, key, digest, change_id) values ($1, $2, $3, $4)
     on conflict (operator_id, key) do update
       set digest = case when k.created_at < now() - interval '24 hours' then excluded.digest else k.digest end,
           change_id = case when k.created_at < now() - interval '24 hours' then excluded.change_id else k.change_id end,
           created_at = case when k.created_at < now() - interval '24 hours' then now() else k.created_at end
     returning change_id, digest`,
    [operatorId, idempotency.key, idempotency.digest, id],
  )
  const [row] = rows
  return row && row.change_id !== id
    ? { id: row.change_id, isSame: row.digest.equals(idempotency.digest) }
    : undefined
}

/** What could not be put back, and why. */
export interface StuckEntity {
  readonly kind: KindName
  readonly id: string
  readonly label: string
  readonly reason: string
}

export interface EarlierChange {
  readonly id: string
  /** It asked for the same. */
  readonly isSame: boolean
}

export const SELECT_CHANGES = `select id, created_at as "createdAt", sequence, state, operator_id as "operatorId", actor, reason,
  origin, undo_of as "undoOf", kind, entity_id as "entityId", begun_at as "begunAt", ended_at as "endedAt", attempts,
  next_at as "nextAt", failure, resolution,
  (extract(epoch from clock_timestamp() - next_at) * 1000)::float8 as "overdueMs" from sluice_manager.changes`
