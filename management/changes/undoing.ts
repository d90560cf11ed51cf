import { isTransient } from '../../kong/admin/answer.ts'
import { mapAtOnce } from '../../kong/admin/at-once.ts'
import type { Change } from '../../kong/reconcile/change.ts'
import type { Step, StepRecord, StepState } from '../../kong/reconcile/steps/steps.ts'
import { undo } from '../../kong/reconcile/steps/undo.ts'
import { findEntity } from '../../kong/reconcile/steps/write.ts'
import { Mirroring } from '../mirror/mirrored.ts'
import type { ChangeRow } from './change-record.ts'
import type { StoredStep } from './step-store.ts'
import type { ChangingParts } from './tenure-parts.ts'
import { CONCURRENCY, maskOf, type Turn } from './turn.ts'
import { WAIT_SECONDS } from './undo-queue.ts'

/** States that an earlier attempt has left, whose requests may still be under way. */
const LEFT_OPEN: readonly StepState[] = ['undoing', 'undone', 'stuck']

/**
 * One attempt to take a change back. Ends with the change `undone`, `stuck`, or postponed with a message in one of the
 * wait queues.
 *
 * @throws where the lease or PostgreSQL is lost.
 */
export async function attemptUndo(
  change: ChangeRow,
  turn: Turn,
  parts: ChangingParts,
): Promise<'ended' | 'postponed'> {
  const { store, schemas: source, timing } = parts
  const { ledger } = turn
  await ledger.beginAttempt(change)
  const stored = await store.steps.of(change.id)
  const steps = stored.map(({ step }) => step)
  try {
    const schemas = await source.with(namesIn(steps))
    const run = turn.runParts(change, schemas, maskOf(schemas, steps))
    const onSettle = () => ledger.setState(change, 'settling')
    const { settle } = timing
    const options = { concurrency: CONCURRENCY, retryForMs: 0, settle, endsWhenAway: true, onSettle }
    const leftovers = await undo(steps, recordsOf(stored, change.attempts > 0), options, run)
    if (leftovers.some(leftover => leftover.isTransient)) return await postpone(change, turn, parts)
    await refreshMirror(run.journal.unseen(), turn, parts, new Mirroring(schemas, parts.sealer))
    if (leftovers.length === 0) await ledger.setState(change, 'undone')
    else await ledger.setStuck(change, leftovers)
    return 'ended'
  } catch (error) {
    if (!isTransient(error)) throw error
    return postpone(change, turn, parts)
  }
}

/** First the attempt and its pause are committed, then the message goes out. */
async function postpone(change: ChangeRow, { ledger }: Turn, { queue }: ChangingParts): Promise<'postponed'> {
  const seconds = WAIT_SECONDS[Math.min(change.attempts, WAIT_SECONDS.length - 1)] ?? WAIT_SECONDS[0]
  await ledger.postpone(change, seconds * 1_000)
  await queue()?.publish(change.id, seconds)
  return 'postponed'
}

/** What an earlier attempt has done is done again, and looked at until late writes have come. */
function recordsOf(stored: readonly StoredStep[], isResumed: boolean): ReadonlyMap<number, StepRecord> {
  return new Map(
    stored.flatMap(({ step, record }) => {
      if (!record) return []
      const isOpen = isResumed && LEFT_OPEN.includes(record.state)
      return [[step.seq, isOpen ? { ...record, state: 'undoing', isUncertain: true } : record] as const]
    }),
  )
}

/** Reads entities again of which Kong has not said what it holds. */
async function refreshMirror(
  unseen: readonly Change[],
  { kong, epoch }: Turn,
  { mirror }: ChangingParts,
  mirroring: Mirroring,
): Promise<void> {
  if (unseen.length === 0) return
  const looked = await mapAtOnce(unseen, async change => ({
    change,
    row: await findEntity(kong, change),
  }))
  const present = looked.flatMap(({ change, row }) =>
    row ? [mirroring.mirrored(mirroring.current(change.kind, row, kong.now()))] : [],
  )
  const gone = looked.flatMap(({ change, row }) => (row ? [] : [{ kind: change.kind, id: change.id }]))
  await mirror.adopt(epoch, present, gone)
}

const namesIn = (steps: readonly Step[]) => {
  const of = (kind: string) =>
    steps.flatMap(({ change }) =>
      change.kind === kind ? [String((change.before ?? change.after)?.name)] : [],
    )
  return { plugins: of('plugins'), vaults: of('vaults') }
}
