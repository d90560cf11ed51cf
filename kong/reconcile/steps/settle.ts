import { messageOf } from '../../../foundation/errors.ts'
import type { RetryParts } from '../../admin/retry.ts'
import { schedule } from './schedule.ts'
import type { AdminRequests, Images, SettleOptions, Step } from './steps.ts'
import { findEntity, isExpired } from './write.ts'

/**
 * Kong gives PostgreSQL five seconds (`pg_timeout`), and writes a locked row when its lock is gone: what comes more than
 * thirty seconds later is not found.
 */
export const SETTLE: SettleOptions = { waitMs: 5_000, forMs: 30_000 }

export interface SettleRun extends SettleOptions {
  readonly concurrency: number
  /** What Kong shall show. */
  readonly image: 'before' | 'after'
  /** Ends the settling: another one follows when Kong is back. */
  readonly isAway?: () => boolean
  readonly signal?: AbortSignal
}

export interface SettleParts {
  readonly kong: AdminRequests
  readonly images: Images
  readonly retry: RetryParts
  /** Writes the image again. A rejection ends the settling with it. */
  readonly write: (step: Step) => Promise<void>
}

/** A step whose entity Kong does not show as it should be. */
export interface Unsettled {
  readonly step: Step
  readonly error: unknown
}

/**
 * Reads the entities of all steps every `waitMs`, the last time when `forMs` have passed, and writes those again that
 * Kong does not show as they should be. What was written again at the last look is looked at once more.
 *
 * @param steps in the order in which they are to be written.
 * @returns what was not as it should be at the last look.
 */
export async function settle(
  steps: readonly Step[],
  run: SettleRun,
  parts: SettleParts,
): Promise<readonly Unsettled[]> {
  const { monotonic, wait } = parts.retry
  const deadlineMs = monotonic() + run.forMs
  const isStopped = () => run.signal?.aborted === true || run.isAway?.() === true
  for (let isOver = false; ; ) {
    const leftMs = Math.max(deadlineMs - monotonic(), 0)
    await wait(isOver ? run.waitMs : Math.min(run.waitMs, leftMs), run.signal)
    const unsettled = await look(steps, run, parts)
    if (isStopped() || isOver) return unsettled
    isOver = monotonic() >= deadlineMs
    // Of what Kong cannot be made to hold again nothing is written.
    const seqs = new Set(unsettled.filter(({ step }) => isWritable(step, run)).map(({ step }) => step.seq))
    if (isOver && seqs.size === 0) return unsettled
    await schedule(
      steps.filter(step => seqs.has(step.seq)),
      { concurrency: run.concurrency, isStopped },
      parts.write,
    )
  }
}

const isWritable = (step: Step, { image }: SettleRun): boolean =>
  image === 'after' || step.irreversible === undefined

/** The steps whose entities Kong does not show as they should be, or that could not be read. */
async function look(
  steps: readonly Step[],
  { concurrency, image, isAway = () => false }: SettleRun,
  { kong, images }: SettleParts,
): Promise<readonly Unsettled[]> {
  const errors = new Map<number, Error>()
  const reads = steps.map(({ seq, change }) => ({ seq, change, after: [] }))
  await schedule(reads, { concurrency, isStopped: isAway }, async ({ seq, change }) => {
    try {
      const row = await findEntity(kong, change)
      if (images.shows(change, image, row) || (!row && isExpired(kong, change))) return
      errors.set(seq, new Error('Kong shows something else: it was changed meanwhile'))
    } catch (error) {
      errors.set(seq, new Error(`could not be read again: ${messageOf(error)}`, { cause: error }))
    }
  })
  return steps.flatMap(step => {
    const error = errors.get(step.seq)
    return error ? [{ step, error }] : []
  })
}
