import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { AdminUnreachable, isTransient } from '../admin/answer.ts'
import type { AdminClient } from '../admin/client.ts'
import { type RetryParts, retry } from '../admin/retry.ts'
import type { Change } from './diff.ts'
import { refuseCascades } from './guard.ts'
import { isIrreversible, type Stages, type Step } from './order.ts'
import { reverse, runSteps } from './run.ts'
import { makeChange, undoChange } from './write.ts'

export interface ApplyOptions {
  /** Requests at once. */
  readonly concurrency: number
  /** How long a step goes on trying while Kong is away or failing, milliseconds. */
  readonly retryForMs: number
  /** How long undoing waits for Kong to come back, milliseconds; like `retryForMs` where it is left out. */
  readonly undoForMs?: number
  /** Stops the apply: nothing more is started, and what was done is undone. */
  readonly signal?: AbortSignal
  readonly watcher: ApplyWatcher
  /** Tags of what is ours: nothing is deleted that others' entities have come to hang on since the plan was made. */
  readonly selectTags: readonly string[]
}

/** Is told what happens, in the order in which it happens. */
export interface ApplyWatcher {
  applied(change: Change): void
  undone(change: Change): void
  retrying(change: Change, error: unknown): void
}

/** A change that could not be taken back. */
export interface Leftover {
  readonly change: Change
  readonly reason: string
}

/**
 * Makes all changes, or none.
 *
 * @throws SluiceError SLUICE_APPLY_FAILED after a step has failed for good and the others have been undone; its
 * details hold `undone` (a number) and `leftovers` (what could not be undone).
 */
export async function applyChanges(
  client: AdminClient,
  stages: Stages,
  options: ApplyOptions,
  parts: RetryParts,
): Promise<void> {
  const { watcher, signal } = options
  // In the order in which they ended; a step without an answer counts, since it may have been done.
  const done: Step[] = []
  let failed: { readonly step: Step; readonly error: unknown } | undefined
  const stop = new AbortController()
  const onAbort = () => stop.abort()
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })

  const work = async (step: Step): Promise<void> => {
    const retryOptions = {
      forMs: options.retryForMs,
      signal: stop.signal,
      onRetry: (error: unknown) => watcher.retrying(step.change, error),
    }
    let isUncertain = false
    try {
      await retry(
        () =>
          makeChange(client, step.change).catch(error => {
            isUncertain ||= isTransient(error)
            throw error
          }),
        retryOptions,
        parts,
      )
      done.push(step)
      watcher.applied(step.change)
    } catch (error) {
      if (isUncertain) done.push(step)
      failed ??= { step, error }
      stop.abort()
    }
  }
  const guard = async (stage: readonly Step[]): Promise<void> => {
    const deletions = stage.filter(({ change }) => change.action === 'delete')
    if (deletions.length === 0) return
    try {
      const check = () =>
        refuseCascades(
          client,
          deletions.map(step => step.change),
          options.selectTags,
        )
      await retry(check, { forMs: options.retryForMs, signal: stop.signal }, parts)
    } catch (error) {
      failed ??= { step: deletions[0]!, error }
      stop.abort()
    }
  }
  try {
    for (const stage of stages) {
      if (stop.signal.aborted) break
      await guard(stage)
      if (failed) break
      await runSteps(stage, { ...options, isStopped: () => stop.signal.aborted }, work)
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
  if (!failed && !stop.signal.aborted) return
  const leftovers = await undoAll(client, done, options, parts)
  throw failure(failed, done.length - leftovers.length, leftovers)
}

async function undoAll(
  client: AdminClient,
  done: readonly Step[],
  options: ApplyOptions,
  parts: RetryParts,
): Promise<readonly Leftover[]> {
  const leftovers: Leftover[] = []
  // Once Kong has stayed away for the whole time, each further step is tried once, and not waited for.
  let forMs = options.undoForMs ?? options.retryForMs
  await runSteps(reverse(done), { ...options, isStopped: () => false }, async ({ change }) => {
    try {
      if (isIrreversible(change)) throw new Error('Kong keeps a hash of the password only')
      const onRetry = (error: unknown) => options.watcher.retrying(change, error)
      await retry(() => undoChange(client, change), { forMs: () => forMs, onRetry }, parts)
      options.watcher.undone(change)
    } catch (error) {
      if (error instanceof AdminUnreachable) forMs = 0
      leftovers.push({ change, reason: messageOf(error) })
    }
  })
  return leftovers
}

const VERBS = { create: 'creating', update: 'changing', delete: 'deleting' } as const
const PAST = { create: 'was created', update: 'was changed', delete: 'was deleted' } as const

function failure(
  failed: { readonly step: Step; readonly error: unknown } | undefined,
  undone: number,
  leftovers: readonly Leftover[],
): SluiceError {
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
