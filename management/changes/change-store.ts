import { SluiceError } from '../../foundation/errors.ts'
import type { Change, Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Leftover, Step, StepRecord } from '../../kong/reconcile/steps/steps.ts'
import type { Database } from '../database.ts'
import type { FaultPoint } from '../fault-point.ts'
import type { ProblemBody } from '../http/problem.ts'
import type { Mirrored } from '../mirror/mirrored.ts'
import { OVERWRITE } from '../mirror/store.ts'
import type { Sealer } from '../sealer.ts'
import type { Asker, ChangeRequest, ChangeRow, ChangeState } from './change-record.ts'
import { HELD } from './lease.ts'

export interface NewChange extends Asker {
  readonly id: string
  /** What it came by: `POST /v1/services`. */
  readonly origin: string
  readonly undoOf?: string
  readonly request: ChangeRequest
  readonly idempotency?: { readonly key: string; readonly digest: Buffer }
}

/** A step with what is kept of it. */
export interface StoredStep {
  readonly step: Step
  readonly record: StepRecord | undefined
}

/** The epoch is not the present one any more: somebody else holds the lease. */
export const leaseLost = (): SluiceError =>
  new SluiceError('SLUICE_MANAGER_UNAVAILABLE', 'the right to write was lost')

/** A month's history in a partition. */
const MONTHS_AHEAD = 2

/** Where a step stands, and what Kong then shows of its entity; undefined where Kong has not answered. */
export interface SeenRecord extends StepRecord {
  readonly seen: Mirrored | 'gone' | undefined
}

/** Changes and their steps in PostgreSQL. What only the holder of the lease may write takes its epoch. */
export class ChangeStore {
  readonly #database: Database
  readonly #sealer: Sealer
  readonly #fault: FaultPoint

  constructor(database: Database, sealer: Sealer, fault: FaultPoint) {
    this.#database = database
    this.#sealer = sealer
    this.#fault = fault
  }

  /** Makes the partitions of this month and the next ones. */
  async makePartitions(): Promise<void> {
    for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead++)
      for (const table of ['changes', 'steps'])
        await this.#database.query(
          `do $$ declare
             first date := date_trunc('month', now() at time zone 'UTC') + interval '${ahead} month';
           begin
             execute format('create table if not exists sluice_manager.${table}_%s partition of sluice_manager.${table} for values from (%L) to (%L)',
               to_char(first, 'YYYYMM'), first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00');
           exception when duplicate_table then null;
           end $$`,
        )
  }

  /**
   * Writes a change that waits for its turn.
   *
   * @returns the earlier change with the same idempotency key instead, where there is one.
   */
  async add(change: NewChange): Promise<{ readonly earlier?: EarlierChange }> {
    const { id, idempotency, operatorId, request } = change
    return this.#commit('change.add', async () =>
      this.#database.transaction(async client => {
        if (idempotency) {
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
          if (row && row.change_id !== id)
            return { earlier: { id: row.change_id, isSame: row.digest.equals(idempotency.digest) } }
        }
        const sealed = this.#sealer.seal(request, `request ${id}`)
        await client.query(
          `insert into sluice_manager.changes (id, created_at, operator_id, actor, reason, origin, undo_of, request)
           values ($1, date_trunc('milliseconds', now()), $2, $3, $4, $5, $6, $7)`,
          [id, operatorId, change.actor, change.reason, change.origin, change.undoOf ?? null, sealed],
        )
        await client.query(`select pg_notify('sluice_manager', 'added')`)
        return {}
      }),
    )
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

  async request({ id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>): Promise<ChangeRequest | undefined> {
    const { rows } = await this.#database.query<{ request: Buffer | null }>(
      'select request from sluice_manager.changes where created_at = $1 and id = $2',
      [createdAt, id],
    )
    const sealed = rows[0]?.request
    return sealed ? (this.#sealer.open(sealed, `request ${id}`) as ChangeRequest) : undefined
  }

  async steps(id: string): Promise<readonly StoredStep[]> {
    const { rows } = await this.#database.query<StepRow>(
      `select seq, stage, after, irreversible, images, state, is_uncertain, reason
         from sluice_manager.steps where change_id = $1 order by seq`,
      [id],
    )
    return rows.flatMap(row => (row.images ? [this.#toStep(id, row, row.images)] : []))
  }

  /** The steps of a change as the API shows them. */
  async shownSteps(id: string): Promise<readonly ShownStep[]> {
    const { rows } = await this.#database.query<
      Omit<ShownStep, 'before' | 'after' | 'irreversible' | 'reason'> & {
        readonly shown: { readonly before?: Row; readonly after?: Row } | null
        readonly irreversible: string | null
        readonly reason: string | null
      }
    >(
      `select seq, action, kind, entity_id as id, label, fields, coalesce(state, 'planned') as state, irreversible, reason, shown
         from sluice_manager.steps where change_id = $1 order by seq`,
      [id],
    )
    return rows.map(({ shown, irreversible, reason, ...row }) => ({
      ...row,
      ...(irreversible !== null && { irreversible }),
      ...(reason !== null && { reason }),
      ...shown,
    }))
  }

  /** Changes that have ended without anybody having been told. */
  async unpublished(count: number): Promise<readonly ChangeRow[]> {
    const { rows } = await this.#database.query<ChangeRow>(
      `${SELECT_CHANGES} where ended_at is not null and not is_published order by ended_at limit $1`,
      [count],
    )
    return rows
  }

  async setPublished({ id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>): Promise<void> {
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

  /** What a change has done to an entity last; undefined for nothing. */
  async actionOn(id: string, kind: KindName, entityId: string): Promise<Change['action'] | undefined> {
    const { rows } = await this.#database.query<{ action: Change['action'] }>(
      `select action from sluice_manager.steps where change_id = $1 and kind = $2 and entity_id = $3 order by seq desc limit 1`,
      [id, kind, entityId],
    )
    return rows[0]?.action
  }

  #toStep(id: string, row: StepRow, images: Buffer): StoredStep {
    const change = this.#sealer.open(images, `step ${id}/${row.seq}`) as Change
    const step: Step = {
      seq: row.seq,
      stage: row.stage,
      after: row.after,
      change,
      ...(row.irreversible !== null && { irreversible: row.irreversible }),
    }
    const record = row.state && {
      state: row.state,
      isUncertain: row.is_uncertain,
      ...(row.reason !== null && { reason: row.reason }),
    }
    return { step, record: record ?? undefined }
  }

  /** Entities that could not be put back, as `kind:id`. */
  async stuck(): Promise<ReadonlySet<string>> {
    const { rows } = await this.#database.query<{ key: string }>(
      `select kind || ':' || entity_id as key from sluice_manager.stuck`,
    )
    return new Set(rows.map(({ key }) => key))
  }

  /** Writes the steps of a change with all images, and its state; from now on it is undone if need be. */
  async begin(
    epoch: number,
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    steps: readonly (Step & { readonly shown: { readonly before?: unknown; readonly after?: unknown } })[],
    target: { readonly kind: KindName; readonly id: string } | undefined,
  ): Promise<void> {
    const rows = steps.map(({ seq, stage, after, change, irreversible, shown }) => ({
      ...{ seq, stage, after, action: change.action, kind: change.kind, entity_id: change.id },
      ...{ label: change.label, fields: change.fields, irreversible: irreversible ?? null, shown },
      images: this.#sealer.seal(change, `step ${id}/${seq}`).toString('base64'),
    }))
    await this.#update(
      'change.begin',
      `with ${HELD}, written as (
         insert into sluice_manager.steps (created_at, change_id, seq, stage, after, action, kind, entity_id, label, fields, irreversible, shown, images)
         select $2::timestamptz, $3::uuid, s.seq, s.stage, s.after, s.action, s.kind, s.entity_id, s.label, s.fields, s.irreversible, s.shown, decode(s.images, 'base64')
           from held, jsonb_to_recordset($4) as s(seq int, stage int, after int[], action text, kind text, entity_id uuid, label text, fields text[], irreversible text, shown jsonb, images text)
         on conflict do nothing)
       update sluice_manager.changes set state = 'applying', begun_at = clock_timestamp(), kind = $5, entity_id = $6
         from held where created_at = $2 and id = $3 and state = 'validated'`,
      [epoch, createdAt, id, JSON.stringify(rows), target?.kind ?? null, target?.id ?? null],
    )
  }

  /** Commits where a step stands, together with the mirror's row where Kong has answered. */
  async recordStep(
    epoch: number,
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    { seq, change }: Step,
    { state, isUncertain, reason, seen }: SeenRecord,
  ): Promise<void> {
    const values: unknown[] = [epoch, createdAt, id, seq, state, isUncertain, reason ?? null]
    const mirror =
      seen === undefined
        ? ''
        : seen === 'gone'
          ? `, mirror as (delete from sluice_manager.entities e using held where e.kind = $8::text and e.id = $9::uuid)`
          : `, mirror as (
               insert into sluice_manager.entities (kind, id, shown, sealed, etag, digest, expires_at, changed_at)
               select $8::text, $9::uuid, $10::jsonb, $11::bytea, $12::text, $13::text, $14::timestamptz, clock_timestamp() from held
               on conflict (kind, id) do update set ${OVERWRITE})`
    // The mirror holds what Kong has: what was reported of the entity is over.
    const over = `, over as (delete from sluice_manager.drift d using held where d.kind = $8::text and d.id = $9::uuid)`
    if (seen !== undefined) values.push(change.kind, change.id)
    if (seen !== undefined && seen !== 'gone')
      values.push(JSON.stringify(seen.shown), seen.sealed, seen.etag, seen.digest, seen.expiresAt)
    await this.#update(
      `step.${state}`,
      `with ${HELD}${mirror}${seen === undefined ? '' : over}
       update sluice_manager.steps set state = $5, is_uncertain = $6, reason = $7, changed_at = clock_timestamp()
         from held where created_at = $2 and change_id = $3 and seq = $4`,
      values,
    )
  }

  /** Commits a change's state; an ended one is told to whoever waits for it. */
  async setState(
    epoch: number,
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    state: ChangeState,
    failure?: ProblemBody,
  ): Promise<void> {
    await this.#update(
      `change.${state}`,
      `with ${HELD}, told as (select pg_notify('sluice_manager', $2::text || ' ' || $4::text) from held)
       update sluice_manager.changes set state = $4::text, failure = coalesce($5::jsonb, failure),
              ended_at = case when $4::text in ('refused', 'applied', 'undone', 'stuck') then clock_timestamp() end,
              next_at = case when $4::text = 'undoing' then coalesce(next_at, clock_timestamp()) else next_at end
         from held, told where created_at = $3 and id = $2::text::uuid`,
      [epoch, id, createdAt, state, failure ? JSON.stringify(failure) : null],
    )
  }

  /** Nothing was begun: the change waits for its turn again. */
  async putBack(epoch: number, { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>): Promise<void> {
    await this.#update(
      'change.putBack',
      `with ${HELD}, gone as (delete from sluice_manager.steps using held where created_at = $2 and change_id = $3)
       update sluice_manager.changes set state = 'validated', begun_at = null from held where created_at = $2 and id = $3`,
      [epoch, createdAt, id],
    )
  }

  /** Counts an attempt to undo before it begins. */
  async beginAttempt(epoch: number, { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>): Promise<void> {
    await this.#update(
      'attempt.begin',
      `with ${HELD} update sluice_manager.changes set attempts = attempts + 1, attempt_at = clock_timestamp(), state = 'undoing'
         from held where created_at = $2 and id = $3`,
      [epoch, createdAt, id],
    )
  }

  /** An attempt to undo has failed; another one begins after a pause. */
  async postpone(
    epoch: number,
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    pauseMs: number,
  ): Promise<void> {
    await this.#update(
      'attempt.postpone',
      `with ${HELD} update sluice_manager.changes set state = 'undoing', next_at = clock_timestamp() + $4 * interval '1 ms'
         from held where created_at = $2 and id = $3`,
      [epoch, createdAt, id, pauseMs],
    )
  }

  /** Ends a change of which something could not be put back. */
  async setStuck(
    epoch: number,
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    leftovers: readonly Leftover[],
  ): Promise<void> {
    const rows = leftovers.map(({ change, reason }) => ({
      kind: change.kind,
      entity_id: change.id,
      label: change.label,
      reason,
    }))
    await this.#update(
      'change.stuck',
      `with ${HELD}, named as (
         insert into sluice_manager.stuck (kind, entity_id, change_id, label, reason)
         select s.kind, s.entity_id, $3::uuid, s.label, s.reason from held, jsonb_to_recordset($4) as s(kind text, entity_id uuid, label text, reason text)
         on conflict (kind, entity_id, change_id) do update set reason = excluded.reason),
       told as (select pg_notify('sluice_manager', $3::uuid || ' stuck') from held)
       update sluice_manager.changes set state = 'stuck', ended_at = clock_timestamp()
         from held, told where created_at = $2 and id = $3`,
      [epoch, createdAt, id, JSON.stringify(rows)],
    )
  }

  /** @throws where the epoch is not the present one any more. */
  async #update(name: string, text: string, values: unknown[]): Promise<void> {
    const { rowCount } = await this.#commit(name, () => this.#database.query(text, values))
    if (rowCount !== 1) throw leaseLost()
  }

  async #commit<T>(name: string, work: () => Promise<T>): Promise<T> {
    await this.#fault(`${name}.before`)
    const result = await work()
    await this.#fault(`${name}.after`)
    return result
  }
}

/** A step as the API shows it, secrets masked. */
export interface ShownStep {
  readonly seq: number
  readonly action: Change['action']
  readonly kind: KindName
  readonly id: string
  readonly label: string
  readonly fields: readonly string[]
  readonly state: string
  readonly irreversible?: string
  readonly reason?: string
  readonly before?: Row
  readonly after?: Row
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

interface StepRow {
  readonly seq: number
  readonly stage: number
  readonly after: readonly number[]
  readonly irreversible: string | null
  readonly images: Buffer | null
  readonly state: StepRecord['state'] | null
  readonly is_uncertain: boolean
  readonly reason: string | null
}

export const SELECT_CHANGES = `select id, created_at as "createdAt", sequence, state, operator_id as "operatorId", actor, reason,
  origin, undo_of as "undoOf", kind, entity_id as "entityId", begun_at as "begunAt", ended_at as "endedAt", attempts,
  next_at as "nextAt", failure, resolution,
  (extract(epoch from clock_timestamp() - next_at) * 1000)::float8 as "overdueMs" from sluice_manager.changes`
