import type { Change } from '../../kong/reconcile/change.ts'
import type { Mask } from '../../kong/reconcile/mask.ts'
import type { Journal, Step, StepRecord, StepState } from '../../kong/reconcile/steps/steps.ts'
import type { Mirroring } from '../mirror/mirrored.ts'
import type { ChangeRow } from './change-record.ts'
import { GroupCommit } from './group-commit.ts'
import type { Ledger, SeenStep } from './ledger.ts'

export interface JournalParts {
  readonly ledger: Ledger
  readonly change: ChangeRow
  readonly mirroring: Mirroring
  /** Knows the secrets of this change, which Kong may quote. */
  readonly mask: Mask
  /** Kong's clock, seconds. */
  readonly now: () => number
}

/** States in which a step stays, at least for this run. */
const ENDED: readonly StepState[] = ['done', 'unknown', 'undone', 'stuck']

export interface ChangeJournal extends Journal {
  /** Entities of steps that have ended without Kong saying what it holds: the mirror may show something else. */
  unseen(): readonly Change[]
}

/** Commits each transition of a step under the lease's epoch, what Kong answered together with the mirror. */
export function createJournal({ ledger, change, mirroring, mask, now }: JournalParts): ChangeJournal {
  const unseen = new Map<string, Change>()
  const note = ({ change: entity }: Step, { state, row }: StepRecord) => {
    const key = `${entity.kind}:${entity.id}`
    if (row !== undefined) unseen.delete(key)
    else if (ENDED.includes(state)) unseen.set(key, entity)
  }
  const seenOf = ({ change: { kind, id } }: Step, { row }: StepRecord): SeenStep['seen'] => {
    if (row === undefined) return undefined
    return row ? mirroring.mirrored(mirroring.current(kind, row, now())) : { gone: { kind, id } }
  }
  const commits = new GroupCommit<SeenStep>(records => ledger.recordSteps(change, records))
  return {
    record: (step, record) => {
      const { state, isUncertain } = record
      const reason = record.reason === undefined ? {} : { reason: mask.text(record.reason) }
      note(step, record)
      return commits.add({ seq: step.seq, state, isUncertain, ...reason, seen: seenOf(step, record) })
    },
    unseen: () => [...unseen.values()],
  }
}
