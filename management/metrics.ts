import type { BoundGauge, Metrics } from '../foundation/metrics.ts'
import type { Timers } from '../foundation/timers.ts'
import type { ChangeState } from './changes/change-record.ts'
import type { Queries } from './database.ts'

const MEASURE_EVERY_MS = 5_000
const STATES: readonly ChangeState[] = ['validated', 'applying', 'undoing', 'settling', 'stuck']

export interface ManagerMetricsParts {
  readonly metrics: Metrics
  readonly database: Queries
  readonly timers: Timers
  readonly isHolding: () => boolean
}

/** What is measured of changes and the mirror, from PostgreSQL. */
export class ManagerMetrics {
  readonly #parts: ManagerMetricsParts
  readonly #byState: ReadonlyMap<ChangeState, BoundGauge>
  readonly #oldestUndo: BoundGauge
  readonly #mirrorAge: BoundGauge
  readonly #holding: BoundGauge
  readonly #stop: () => void

  constructor(parts: ManagerMetricsParts) {
    const { metrics, timers } = parts
    this.#parts = parts
    const changes = metrics.gauge('sluice_manager_changes', 'changes that have not ended well, by state', [
      'state',
    ])
    this.#byState = new Map(STATES.map(state => [state, changes.with({ state })]))
    this.#oldestUndo = metrics
      .gauge('sluice_manager_oldest_undo_seconds', 'how long the oldest change has been waiting to be undone')
      .with({})
    this.#mirrorAge = metrics
      .gauge('sluice_manager_mirror_age_seconds', 'since Kong was read as a whole')
      .with({})
    this.#holding = metrics
      .gauge('sluice_manager_holding', '1 in the process that has the right to write')
      .with({})
    this.#stop = timers.every(MEASURE_EVERY_MS, () => void this.#measure().catch(() => {}))
    void this.#measure().catch(() => {})
  }

  /** Right before they are read. */
  refresh(): void {
    this.#holding.set(this.#parts.isHolding() ? 1 : 0)
  }

  close(): void {
    this.#stop()
  }

  async #measure(): Promise<void> {
    const { rows } = await this.#parts.database.query<{
      state: ChangeState
      count: number
      age: number
    }>(
      `select state, count(*)::int as count, extract(epoch from now() - min(begun_at))::float8 as age
         from sluice_manager.changes where state = any($1) and resolution is null group by state`,
      [STATES],
    )
    const of = (state: ChangeState) => rows.find(row => row.state === state)
    for (const [state, gauge] of this.#byState) gauge.set(of(state)?.count ?? 0)
    this.#oldestUndo.set(Math.max(of('undoing')?.age ?? 0, of('settling')?.age ?? 0))
    const { rows: read } = await this.#parts.database.query<{ age: number | null }>(
      'select extract(epoch from now() - read_at)::float8 as age from sluice_manager.mirror',
    )
    this.#mirrorAge.set(read[0]?.age ?? 0)
  }
}
