import { messageOf } from '../../../foundation/errors.ts'
import { groupBy } from '../../../foundation/group-by.ts'
import { isUncertain } from '../../admin/answer.ts'
import { type RetryParts, retry } from '../../admin/retry.ts'
import type { Change } from '../change.ts'
import { schedule } from './schedule.ts'
import { settle } from './settle.ts'
import type { AdminRequests, Images, Journal, SettleOptions, Step, StepRecord } from './steps.ts'
import { makeChange } from './write.ts'

export interface ExecuteOptions {
  /** Requests at once. */
  readonly concurrency: number
  /** How long a step is tried again while Kong is away or failing, milliseconds. */
  readonly retryForMs: number
  readonly settle: SettleOptions
  /** Nothing more is started once it is aborted. */
  readonly signal?: AbortSignal
  /** Called before each pause. */
  readonly onRetry?: (change: Change, error: unknown) => void
  /** Called right before the deletions of a stage: rejects when they must not happen. */
  readonly guard?: (deletions: readonly Change[]) => Promise<void>
}

export interface RunParts {
  readonly kong: AdminRequests
  readonly journal: Journal
  readonly images: Images
  readonly retry: RetryParts
}

export interface Run {
  readonly records: ReadonlyMap<number, StepRecord>
  /** The first step that failed for good, and why. */
  readonly failure: { readonly step: Step; readonly error: unknown } | undefined
  /** The signal came before all was done. */
  readonly isInterrupted: boolean
}

/**
 * Runs steps forwards, stage by stage. Undoes nothing: where the run has a failure or was interrupted, that is for
 * `undo`.
 *
 * @throws what the journal throws.
 */
export async function execute(
  steps: readonly Step[],
  options: ExecuteOptions,
  parts: RunParts,
): Promise<Run> {
  const run = new Execution(options, parts)
  await run.execute(steps)
  return run
}

class Execution implements Run {
  readonly records = new Map<number, StepRecord>()
  failure: Run['failure']
  isInterrupted = true
  readonly #options: ExecuteOptions
  readonly #parts: RunParts
  readonly #stop = new AbortController()

  constructor(options: ExecuteOptions, parts: RunParts) {
    this.#options = options
    this.#parts = parts
  }

  async execute(steps: readonly Step[]): Promise<void> {
    const { signal } = this.#options
    const onAbort = () => this.#stop.abort()
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (const stage of stagesOf(steps)) {
        if (!this.#isStopped) await this.#guard(stage)
        if (this.#isStopped) break
        await schedule(
          stage,
          { concurrency: this.#options.concurrency, isStopped: () => this.#isStopped },
          step => this.#do(step),
        )
      }
      const isComplete = steps.every(step => this.records.get(step.seq)?.state === 'done')
      if (isComplete) await this.#settle(steps)
      this.isInterrupted = !isComplete && this.failure === undefined
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #do(step: Step): Promise<void> {
    await this.#record(step, { state: 'begun', isUncertain: false })
    let uncertain = false
    const attempt = () =>
      makeChange(this.#parts.kong, step.change).catch((error: unknown) => {
        uncertain ||= isUncertain(error)
        throw error
      })
    let record: StepRecord
    try {
      const row = await this.#retry(attempt, step.change)
      record = { state: 'done', isUncertain: uncertain, ...(row !== undefined && { row }) }
    } catch (error) {
      record = { state: uncertain ? 'unknown' : 'failed', isUncertain: uncertain, reason: messageOf(error) }
      this.#fail(step, error)
    }
    await this.#record(step, record)
  }

  async #guard(stage: readonly Step[]): Promise<void> {
    const { guard } = this.#options
    const [first, ...others] = stage.filter(({ change }) => change.action === 'delete')
    if (!guard || !first) return
    const deletions = [first, ...others].map(step => step.change)
    await this.#retry(() => guard(deletions), first.change).catch((error: unknown) =>
      this.#fail(first, error),
    )
  }

  /**
   * A request that got no answer may take effect after its repetition. That matters only where an entity is deleted
   * and created again: a late deletion would leave nothing.
   */
  async #settle(steps: readonly Step[]): Promise<void> {
    const finals = new Map(steps.map(step => [`${step.change.kind}:${step.change.id}`, step]))
    const isFinal = (step: Step) => finals.get(`${step.change.kind}:${step.change.id}`) === step
    const overtaken = steps.filter(step => !isFinal(step) && this.records.get(step.seq)?.isUncertain)
    if (overtaken.length === 0) return
    const { concurrency, settle: options } = this.#options
    const { kong, images, retry: retryParts } = this.#parts
    const unsettled = await settle(
      [...finals.values()],
      { ...options, concurrency, image: 'after', signal: this.#stop.signal },
      { kong, images, retry: retryParts, write: step => this.#do(step) },
    )
    for (const { step, error } of unsettled) this.#fail(step, error)
  }

  #retry<T>(work: () => Promise<T>, change: Change): Promise<T> {
    const { retryForMs, onRetry } = this.#options
    return retry(
      work,
      { forMs: retryForMs, signal: this.#stop.signal, onRetry: error => onRetry?.(change, error) },
      this.#parts.retry,
    )
  }

  #fail(step: Step, error: unknown): void {
    this.failure ??= { step, error }
    this.#stop.abort()
  }

  async #record(step: Step, record: StepRecord): Promise<void> {
    // A step that is written again stays uncertain.
    const isUncertain = record.isUncertain || (this.records.get(step.seq)?.isUncertain ?? false)
    this.records.set(step.seq, { ...record, isUncertain })
    try {
      await this.#parts.journal.record(step, { ...record, isUncertain })
    } catch (error) {
      this.#stop.abort()
      throw error
    }
  }
}

function stagesOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const stages = groupBy(steps, step => step.stage)
  return [...stages].sort(([a], [b]) => a - b).map(([, stage]) => stage)
}
