import { SluiceError } from '../../foundation/errors.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Leftover, Step, StepRecord } from '../../kong/reconcile/steps/steps.ts'
import type { Queries, Statement } from '../database.ts'
import type { FaultPoint } from '../fault-point.ts'
import type { ProblemBody } from '../http/problem.ts'
import type { Mirrored } from '../mirror/mirrored.ts'
import { endingDrift, putAsJson, putting, removing } from '../mirror/store.ts'
import type { Sealer } from '../sealer.ts'
import type { ChangeKey, ChangeState } from './change-record.ts'
import { HELD } from './lease.ts'
import { contextOfStep } from './step-store.ts'

export interface LedgerParts {
  readonly database: Queries
  readonly sealer: Sealer
  readonly fault: FaultPoint
}

/** The epoch is not the present one any more: somebody else holds the lease. */
const leaseLost = (): SluiceError =>
  new SluiceError('SLUICE_MANAGER_UNAVAILABLE', 'the right to write was lost')

/** Where a step stands, and what Kong then shows of its entity; undefined where Kong has not answered. */
export interface SeenStep extends Omit<StepRecord, 'row'> {
  readonly seq: number
  readonly seen: Mirrored | { readonly gone: { readonly kind: KindName; readonly id: string } } | undefined
}

/** What the holder of the lease alone writes about changes: each statement does something under its epoch only. */
export class Ledger {
  readonly #parts: LedgerParts
  readonly #epoch: number

  constructor(parts: LedgerParts, epoch: number) {
    this.#parts = parts
    this.#epoch = epoch
  }

  /** Writes the steps of a change with all images, and its state; from now on it is undone if need be. */
  async begin(
    { id, createdAt }: ChangeKey,
    steps: readonly (Step & { readonly shown: { readonly before?: unknown; readonly after?: unknown } })[],
    target: { readonly kind: KindName; readonly id: string } | undefined,
  ): Promise<void> {
    const rows = steps.map(({ seq, stage, after, change, irreversible, shown }) => ({
      ...{ seq, stage, after, action: change.action, kind: change.kind, entity_id: change.id },
      ...{ label: change.label, fields: change.fields, irreversible: irreversible ?? null, shown },
      images: this.#parts.sealer.seal(change, contextOfStep(id, seq)).toString('base64'),
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
      [this.#epoch, createdAt, id, JSON.stringify(rows), target?.kind ?? null, target?.id ?? null],
    )
  }

  /** Commits where steps stand, together with the mirror's rows where Kong has answered. */
  async recordSteps({ id, createdAt }: ChangeKey, records: readonly SeenStep[]): Promise<void> {
    const states = [...new Set(records.map(({ state }) => state))].sort()
    const rows = records.map(({ seq, state, isUncertain, reason }) => ({
      ...{ seq, state, is_uncertain: isUncertain, reason: reason ?? null },
    }))
    const present = records.flatMap(({ seen }) => (seen && !('gone' in seen) ? [seen] : []))
    const gone = records.flatMap(({ seen }) => (seen && 'gone' in seen ? [seen.gone] : []))
    await this.#update(
      `step.${states.join('+')}`,
      {
        name: 'record-steps',
        text: `with ${HELD}, removed as (${removing('$5')}), put as (${putting('$6')}),
          known as (${endingDrift('$5::jsonb || $6::jsonb')})
          update sluice_manager.steps s
             set state = r.state, is_uncertain = r.is_uncertain, reason = r.reason, changed_at = clock_timestamp()
            from held, jsonb_to_recordset($4::jsonb) as r(seq int, state text, is_uncertain boolean, reason text)
           where s.created_at = $2 and s.change_id = $3 and s.seq = r.seq`,
      },
      [this.#epoch, createdAt, id, JSON.stringify(rows), JSON.stringify(gone), putAsJson(present)],
      records.length,
    )
  }

  /** Commits a change's state; an ended one is told to whoever waits for it. */
  async setState({ id, createdAt }: ChangeKey, state: ChangeState, failure?: ProblemBody): Promise<void> {
    await this.#update(
      `change.${state}`,
      `with ${HELD}, told as (select pg_notify('sluice_manager', $2::text || ' ' || $4::text) from held)
       update sluice_manager.changes set state = $4::text, failure = coalesce($5::jsonb, failure),
              ended_at = case when $4::text in ('refused', 'applied', 'undone', 'stuck') then clock_timestamp() end,
              next_at = case when $4::text = 'undoing' then coalesce(next_at, clock_timestamp()) else next_at end
         from held, told where created_at = $3 and id = $2::text::uuid`,
      [this.#epoch, id, createdAt, state, failure ? JSON.stringify(failure) : null],
    )
  }

  /** Nothing was begun: the change waits for its turn again. */
  async putBack({ id, createdAt }: ChangeKey): Promise<void> {
    await this.#update(
      'change.putBack',
      `with ${HELD}, gone as (delete from sluice_manager.steps using held where created_at = $2 and change_id = $3)
       update sluice_manager.changes set state = 'validated', begun_at = null from held where created_at = $2 and id = $3`,
      [this.#epoch, createdAt, id],
    )
  }

  /** Counts an attempt to undo before it begins. */
  async beginAttempt({ id, createdAt }: ChangeKey): Promise<void> {
    await this.#update(
      'attempt.begin',
      `with ${HELD} update sluice_manager.changes set attempts = attempts + 1, attempt_at = clock_timestamp(), state = 'undoing'
         from held where created_at = $2 and id = $3`,
      [this.#epoch, createdAt, id],
    )
  }

  /** An attempt to undo has failed; another one begins after a pause. */
  async postpone({ id, createdAt }: ChangeKey, pauseMs: number): Promise<void> {
    await this.#update(
      'attempt.postpone',
      `with ${HELD} update sluice_manager.changes set state = 'undoing', next_at = clock_timestamp() + $4 * interval '1 ms'
         from held where created_at = $2 and id = $3`,
      [this.#epoch, createdAt, id, pauseMs],
    )
  }

  /** Ends a change of which something could not be put back. */
  async setStuck({ id, createdAt }: ChangeKey, leftovers: readonly Leftover[]): Promise<void> {
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
      [this.#epoch, createdAt, id, JSON.stringify(rows)],
    )
  }

  /** @throws where the epoch is not the present one any more. */
  async #update(name: string, statement: Statement, values: unknown[], count = 1): Promise<void> {
    const { database, fault } = this.#parts
    await fault(`${name}.before`)
    const { rowCount } = await database.query(statement, values)
    await fault(`${name}.after`)
    if (rowCount !== count) throw leaseLost()
  }
}
