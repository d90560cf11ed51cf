import type { Change, Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Step, StepRecord } from '../../kong/reconcile/steps/steps.ts'
import type { Queries } from '../database.ts'
import type { Sealer } from '../sealer.ts'

/** A step with what is kept of it. */
export interface StoredStep {
  readonly step: Step
  readonly record: StepRecord | undefined
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

/** What the images of a step are sealed for. */
export const contextOfStep = (changeId: string, seq: number): string => `step ${changeId}/${seq}`

/** The steps of changes, as they are read. */
export class StepStore {
  readonly #database: Queries
  readonly #sealer: Sealer

  constructor(database: Queries, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** With all images; without those that were erased. */
  async of(id: string): Promise<readonly StoredStep[]> {
    const { rows } = await this.#database.query<StepRow>(
      `select seq, stage, after, irreversible, images, state, is_uncertain, reason
         from sluice_manager.steps where change_id = $1 order by seq`,
      [id],
    )
    return rows.flatMap(row => (row.images ? [this.#toStep(id, row, row.images)] : []))
  }

  /** As the API shows them. */
  async shown(id: string): Promise<readonly ShownStep[]> {
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

  /** What a change has done to an entity last; undefined for nothing. */
  async actionOn(id: string, kind: KindName, entityId: string): Promise<Change['action'] | undefined> {
    const { rows } = await this.#database.query<{ action: Change['action'] }>(
      `select action from sluice_manager.steps where change_id = $1 and kind = $2 and entity_id = $3 order by seq desc limit 1`,
      [id, kind, entityId],
    )
    return rows[0]?.action
  }

  #toStep(id: string, row: StepRow, images: Buffer): StoredStep {
    const change = this.#sealer.open(images, contextOfStep(id, row.seq)) as Change
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
}
