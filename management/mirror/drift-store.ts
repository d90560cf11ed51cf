import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import { HELD } from '../changes/lease.ts'
import type { Queries } from '../database.ts'
import type { Difference } from './differences.ts'

/** An entity that was changed past the manager, secrets masked. */
export interface FoundDrift {
  readonly kind: KindName
  readonly id: string
  readonly action: 'created' | 'updated' | 'deleted'
  readonly label: string
  readonly fields: readonly string[]
  readonly before?: Row | null
  readonly after?: Row | null
}

export interface ListedDrift extends FoundDrift {
  readonly detectedAt: Date
  readonly acceptedAt: Date | null
}

/** What was changed past the manager, where that is reported and not adopted. */
export class DriftStore {
  readonly #database: Queries

  constructor(database: Queries) {
    this.#database = database
  }

  /** Lists what was changed past the manager. @returns whether that is news. */
  async report(epoch: number, found: FoundDrift): Promise<boolean> {
    const { rows } = await this.#database.query<{ is_new: boolean }>(
      `with ${HELD}
       insert into sluice_manager.drift as d (kind, id, action, label, fields, before, after)
       select $2::text, $3::uuid, $4::text, $5::text, $6::text[], $7::jsonb, $8::jsonb from held
       on conflict (kind, id) do update set action = excluded.action, label = excluded.label, fields = excluded.fields,
         before = excluded.before, after = excluded.after, seen_at = now(),
         detected_at = case when d.after is distinct from excluded.after then now() else d.detected_at end
       returning detected_at = now() as is_new`,
      [
        epoch,
        ...[found.kind, found.id, found.action, found.label, found.fields],
        ...[found.before, found.after].map(row => (row ? JSON.stringify(row) : null)),
      ],
    )
    return rows[0]?.is_new ?? false
  }

  /** What is reported, the newest first. */
  async list(): Promise<readonly ListedDrift[]> {
    const { rows } = await this.#database.query<ListedDrift>(
      `select kind, id, action, label, fields, before, after, detected_at as "detectedAt", accepted_at as "acceptedAt"
         from sluice_manager.drift order by detected_at desc, kind, id limit 1000`,
    )
    return rows
  }

  /** What is reported of an entity. */
  async find(kind: KindName, id: string): Promise<FoundDrift | undefined> {
    const { rows } = await this.#database.query<FoundDrift>(
      'select kind, id, action, label, fields from sluice_manager.drift where kind = $1 and id = $2',
      [kind, id],
    )
    return rows[0]
  }

  /** Says that what was found is to be taken over. @returns whether there was something. */
  async accept(kind: KindName, id: string): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `with accepted as (
         update sluice_manager.drift set accepted_at = now() where kind = $1 and id = $2 returning 1)
       select pg_notify('sluice_manager', 'woken') from accepted`,
      [kind, id],
    )
    return (rowCount ?? 0) > 0
  }

  /** What an operator has accepted, and was not taken over yet. */
  async accepted(): Promise<readonly Difference[]> {
    const { rows } = await this.#database.query<Pick<FoundDrift, 'kind' | 'id'> & { found: Row | null }>({
      name: 'accepted-drift',
      text: 'select kind, id, after as found from sluice_manager.drift where accepted_at is not null limit 100',
    })
    return rows.map(({ found, ...one }) => ({ ...one, found: found ?? undefined }))
  }

  /** Whether an operator has said that the drift of an entity is taken over. */
  async isAccepted(kind: KindName, id: string): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      'select 1 from sluice_manager.drift where kind = $1 and id = $2 and accepted_at is not null',
      [kind, id],
    )
    return (rowCount ?? 0) > 0
  }
}
