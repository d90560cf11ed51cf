import type { Mask } from '../../kong/reconcile/mask.ts'
import type { Journal, Step, StepRecord } from '../../kong/reconcile/steps/steps.ts'
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

/** Commits each transition of a step under the lease's epoch, what Kong answered together with the mirror. */
export function createJournal({ ledger, change, mirroring, mask, now }: JournalParts): Journal {
  const seenOf = ({ change: { kind, id, action } }: Step, { state, row }: StepRecord): SeenStep['seen'] => {
    if (state !== 'done') return undefined
    if (row) return mirroring.mirrored(mirroring.current(kind, row, now()))
    return action === 'delete' ? { gone: { kind, id } } : undefined
  }
  const commits = new GroupCommit<SeenStep>(records => ledger.recordSteps(change, records))
  return {
    record: (step, record) => {
      const { state, isUncertain } = record
      const reason = record.reason === undefined ? {} : { reason: mask.text(record.reason) }
      return commits.add({ seq: step.seq, state, isUncertain, ...reason, seen: seenOf(step, record) })
    },
  }
}
