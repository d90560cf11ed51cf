import type { Mask } from '../../kong/reconcile/mask.ts'
import type { Journal, Step, StepRecord } from '../../kong/reconcile/steps/steps.ts'
import type { Mirrored, Mirroring } from '../mirror/mirrored.ts'
import type { ChangeRow } from './change-record.ts'
import type { Ledger } from './ledger.ts'

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
  const seen = (
    { change: { kind, action } }: Step,
    { state, row }: StepRecord,
  ): Mirrored | 'gone' | undefined => {
    if (state !== 'done') return undefined
    if (row) return mirroring.mirrored(mirroring.current(kind, row, now()))
    return action === 'delete' ? 'gone' : undefined
  }
  return {
    record: (step, record) => {
      const reason = record.reason === undefined ? {} : { reason: mask.text(record.reason) }
      return ledger.recordStep(change, step, { ...record, ...reason, seen: seen(step, record) })
    },
  }
}
