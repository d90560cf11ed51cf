import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Database } from '../database.ts'
import type { ChangeRow, ChangeState, Resolution } from './change-record.ts'
import { SELECT_CHANGES } from './change-store.ts'

export interface HistoryQuery {
  readonly state?: ChangeState
  readonly actor?: string
  /** Changes that touched this entity. */
  readonly entity?: { readonly kind: KindName; readonly id: string }
  /** Changes before this place in the sequence. */
  readonly before?: string
  readonly size: number
}

/** A change in a list. */
export interface ListedChange extends ChangeRow {
  /** Labels of the first entities that it touches. */
  readonly entities: readonly string[] | null
}

/** Labels that stand in a list, of each change. */
const LABELS = 10

/** Changes that have ended or not, and what operators do about those that are stuck. */
export class History {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The newest first; one more than `size`, which says that there are others. */
  async list({ state, actor, entity, before, size }: HistoryQuery): Promise<readonly ListedChange[]> {
    const values: unknown[] = [size + 1]
    const parts = ['true']
    const add = (part: string, ...given: unknown[]) => {
      parts.push(part.replace(/\?/g, () => `$${values.push(given.shift())}`))
    }
    if (state !== undefined) add('state = ?', state)
    if (actor !== undefined) add('actor = ?', actor)
    if (before !== undefined) add('sequence < ?::bigint', before)
    if (entity)
      add(
        'id in (select change_id from sluice_manager.steps where kind = ? and entity_id = ?::uuid)',
        ...[entity.kind, entity.id],
      )
    const { rows } = await this.#database.query<ListedChange>(
      `select c.*, (select array_agg(label order by seq) from sluice_manager.steps s
                     where s.created_at = c."createdAt" and s.change_id = c.id and s.seq < ${LABELS}) as entities
         from (${SELECT_CHANGES} where ${parts.join(' and ')} order by sequence desc limit $1) c order by c.sequence desc`,
      values,
    )
    return rows
  }

  /** Has a stuck change undone once more. @returns whether it was stuck. */
  async retry({ id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `with retried as (
         update sluice_manager.changes set state = 'undoing', ended_at = null, next_at = clock_timestamp(), is_published = false
          where created_at = $1 and id = $2 and state = 'stuck' and resolution is null returning id),
       freed as (delete from sluice_manager.stuck using retried where change_id = retried.id)
       select pg_notify('sluice_manager', 'woken') from retried`,
      [createdAt, id],
    )
    return (rowCount ?? 0) > 0
  }

  /** Leaves a stuck change as it is: its entities may be changed again. @returns whether it was stuck. */
  async resolve(
    { id, createdAt }: Pick<ChangeRow, 'id' | 'createdAt'>,
    resolution: Resolution,
  ): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `with resolved as (
         update sluice_manager.changes set resolution = $3 where created_at = $1 and id = $2 and state = 'stuck' and resolution is null
         returning id),
       freed as (delete from sluice_manager.stuck using resolved where change_id = resolved.id)
       select id from resolved`,
      [createdAt, id, JSON.stringify(resolution)],
    )
    return (rowCount ?? 0) > 0
  }
}
