import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { AdminUnreachable } from '../admin/answer.ts'
import type { AdminClient } from '../admin/client.ts'
import type { RetryParts } from '../admin/retry.ts'
import type { Change } from './change.ts'
import { refuseCascades } from './guard.ts'
import type { Schemas } from './schemas.ts'
import { execute, type Run, type RunParts } from './steps/execute.ts'
import { createImages } from './steps/images.ts'
import { SETTLE } from './steps/settle.ts'
import type { Journal, Leftover, SettleOptions, Step, StepRecord } from './steps/steps.ts'
import { undo } from './steps/undo.ts'

export interface ApplyOptions {
  /** Requests at once. */
  readonly concurrency: number
  /** How long a step is tried again while Kong is away or failing, milliseconds. */
  readonly retryForMs: number
  /** How long undoing waits for Kong to come back, milliseconds; default: `retryForMs`. */
  readonly undoForMs?: number
  /** How often and how long late writes are looked for after an unknown step; default: SETTLE. */
  readonly settle?: SettleOptions
  /** Stops the apply: nothing more is started, and what was done is undone. */
  readonly signal?: AbortSignal
  readonly watcher: ApplyWatcher
  /** Tags of what is ours: a deletion is refused when others' entities have come to hang on the entity meanwhile. */
  readonly selectTags: readonly string[]
}

/** Called with what happens, in the order in which it happens. */
export interface ApplyWatcher {
  applied(change: Change): void
  undone(change: Change): void
  retrying(change: Change, error: unknown): void
}

/** What is applied, and how Kong's entities are compared. */
export interface Applicable {
  readonly steps: readonly Step[]
  readonly current: { readonly schemas: Schemas }
}

/**
 * Makes all changes, or none.
 *
 * @throws SluiceError SLUICE_APPLY_FAILED after a step has failed for good and the others have been undone; its
 * details hold `undone` (a number) and `leftovers` (what could not be undone).
 */
export async function applyChanges(
  client: AdminClient,
  { steps, current }: Applicable,
  options: ApplyOptions,
  retry: RetryParts,
): Promise<void> {
  const { watcher, selectTags, concurrency, retryForMs, settle = SETTLE, signal } = options
  const journal = createJournal(watcher)
  const parts: RunParts = { kong: client, journal, images: createImages(current.schemas), retry }
  const onRetry = (change: Change, error: unknown) => watcher.retrying(change, error)
  const run = await execute(
    steps,
    {
      concurrency,
      retryForMs,
      settle,
      onRetry,
      guard: deletions => refuseCascades(client, deletions, selectTags),
      ...(signal && { signal }),
    },
    parts,
  )
  if (!run.failure && !run.isInterrupted) return
  const undoForMs = options.undoForMs ?? retryForMs
  const leftovers = await undo(
    steps,
    run.records,
    { concurrency, retryForMs: undoForMs, settle, onRetry },
    parts,
  )
  throw failure(run.failure, journal.undone, leftovers)
}

/** In memory only: when this process dies, nothing is undone. */
function createJournal(watcher: ApplyWatcher): Journal & { readonly undone: number } {
  // A step that is written again is reported once.
  const applied = new Set<number>()
  const undone = new Set<number>()
  const isNew = (set: Set<number>, { seq }: Step) => !set.has(seq) && set.add(seq)
  return {
    get undone() {
      return undone.size
    },
    async record(step: Step, { state }: StepRecord) {
      if (state === 'done' && isNew(applied, step)) watcher.applied(step.change)
      if (state === 'undone' && isNew(undone, step)) watcher.undone(step.change)
      if (state === 'stuck') undone.delete(step.seq)
    },
  }
}

const VERBS = { create: 'creating', update: 'changing', delete: 'deleting' } as const
const PAST = { create: 'was created', update: 'was changed', delete: 'was deleted' } as const

function failure(failed: Run['failure'], undone: number, leftovers: readonly Leftover[]): SluiceError {
  const what = failed
    ? `${VERBS[failed.step.change.action]} ${failed.step.change.label} failed: ${messageOf(failed.error)}`
    : 'interrupted'
  const lines = [
    what,
    undone === 1 ? '1 change was undone' : `${undone} changes were undone`,
    ...(leftovers.length === 0 ? [] : [`${leftovers.length} could not be undone:`]),
    ...leftovers.map(({ change, reason }) => `  ${change.label} ${PAST[change.action]}: ${reason}`),
  ]
  return new SluiceError('SLUICE_APPLY_FAILED', lines.join('\n'), {
    cause: failed?.error,
    details: {
      undone,
      leftovers: leftovers.map(({ change, reason }) => ({
        action: change.action,
        entity: change.label,
        reason,
      })),
      unreachable: failed?.error instanceof AdminUnreachable,
    },
  })
}
