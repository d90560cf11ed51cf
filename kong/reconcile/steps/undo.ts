import { messageOf } from '../../../foundation/errors.ts'
import { AdminUnreachable, isTransient, isUncertain } from '../../admin/answer.ts'
import { retry } from '../../admin/retry.ts'
import type { Change } from '../change.ts'
import type { RunParts } from './execute.ts'
import { reverse, schedule } from './schedule.ts'
import { settle } from './settle.ts'
import type { Leftover, SettleOptions, Step, StepRecord, StepState } from './steps.ts'
import { undoChange } from './write.ts'

export interface UndoOptions {
  /** Requests at once. */
  readonly concurrency: number
  /** How long a step is tried again while Kong is away or failing, milliseconds. */
  readonly retryForMs: number
  readonly settle: SettleOptions
  /** Called before each pause. */
  readonly onRetry?: (change: Change, error: unknown) => void
  /** Awaited before late writes are looked for; the undoing ends with its rejection. */
  readonly onSettle?: () => Promise<void>
}

/** States of steps that may have changed something. */
const TO_UNDO: readonly (StepState | undefined)[] = ['begun', 'done', 'unknown', 'undoing', 'stuck']

/** States in which it is not known what Kong did. */
const OPEN: readonly StepState[] = ['begun', 'unknown', 'undoing']

/**
 * Takes back, backwards, all steps that may have been done. May be called again after a crash, with the records that
 * were kept.
 *
 * @returns what could not be taken back, and why.
 * @throws what the journal throws.
 */
export async function undo(
  steps: readonly Step[],
  records: ReadonlyMap<number, StepRecord>,
  options: UndoOptions,
  parts: RunParts,
): Promise<readonly Leftover[]> {
  return new Undoing(records, options, parts).undo(steps)
}

type Stuck = Pick<Leftover, 'reason' | 'isTransient'>

/** Why a step is not undone after the settling. */
const stuckBy = ({ irreversible }: Step, error: unknown): Stuck =>
  irreversible === undefined
    ? { reason: messageOf(error), isTransient: isTransient(error instanceof Error ? error.cause : undefined) }
    : { reason: irreversible, isTransient: false }

class Undoing {
  readonly #records: ReadonlyMap<number, StepRecord>
  readonly #options: UndoOptions
  readonly #parts: RunParts
  readonly #stuck = new Map<Step, Stuck>()
  /** Whether a request, of the run or of the undoing, may still take effect. */
  #isUncertain = false
  #retryForMs: number

  constructor(records: ReadonlyMap<number, StepRecord>, options: UndoOptions, parts: RunParts) {
    this.#records = records
    this.#options = options
    this.#parts = parts
    this.#retryForMs = options.retryForMs
  }

  async undo(steps: readonly Step[]): Promise<readonly Leftover[]> {
    const bySeq = new Map(steps.map(step => [step.seq, step]))
    const done = steps.filter(step => TO_UNDO.includes(this.#records.get(step.seq)?.state))
    this.#isUncertain = done.some(step => this.#isOpen(step))
    const backwards = reverse(done)
    const original = (step: Step) => bySeq.get(step.seq) ?? step
    const { concurrency } = this.#options
    await schedule(backwards, { concurrency, isStopped: () => false }, step => this.#undoStep(original(step)))
    if (this.#isUncertain) {
      await this.#options.onSettle?.()
      await this.#settle(backwards, original)
    }
    return [...this.#stuck].map(([{ change }, stuck]) => ({ change, ...stuck }))
  }

  async #undoStep(step: Step): Promise<void> {
    if (step.irreversible !== undefined) {
      // Whether it was done at all shows when everything has settled.
      if (!this.#isOpen(step)) await this.#setStuck(step, { reason: step.irreversible, isTransient: false })
      return
    }
    await this.#record(step, { state: 'undoing', isUncertain: false })
    try {
      await this.#retry(step)
    } catch (error) {
      // Once Kong has stayed away for the whole time, each further step is tried once, without waiting.
      if (error instanceof AdminUnreachable) this.#retryForMs = 0
      await this.#setStuck(step, { reason: messageOf(error), isTransient: isTransient(error) })
      return
    }
    this.#stuck.delete(step)
    await this.#record(step, { state: 'undone', isUncertain: false })
  }

  #retry({ change }: Step): Promise<void> {
    const { kong, retry: retryParts } = this.#parts
    const attempt = () =>
      undoChange(kong, change).catch((error: unknown) => {
        this.#isUncertain ||= isUncertain(error)
        throw error
      })
    const onRetry = (error: unknown) => this.#options.onRetry?.(change, error)
    return retry(attempt, { forMs: () => this.#retryForMs, onRetry }, retryParts)
  }

  /** Waits out what may still be written, and takes it back. */
  async #settle(backwards: readonly Step[], original: (step: Step) => Step): Promise<void> {
    const { kong, images, retry: retryParts } = this.#parts
    const { concurrency, settle: options } = this.#options
    const watched = finalOfEach(backwards).filter(
      step => step.irreversible === undefined || this.#isOpen(step),
    )
    const unsettled = await settle(
      watched,
      { ...options, concurrency, image: 'before' },
      { kong, images, retry: retryParts, write: step => this.#undoStep(original(step)) },
    )
    const differing = new Map(unsettled.map(({ step, error }) => [step.seq, error]))
    for (const step of watched.map(original)) {
      const error = differing.get(step.seq)
      if (error !== undefined) await this.#setStuck(step, stuckBy(step, error))
      else if (step.irreversible !== undefined || this.#stuck.delete(step))
        await this.#record(step, { state: 'undone', isUncertain: false })
    }
  }

  #isOpen({ seq }: Step): boolean {
    const record = this.#records.get(seq)
    return record !== undefined && (record.isUncertain || OPEN.includes(record.state))
  }

  async #setStuck(step: Step, stuck: Stuck): Promise<void> {
    // The first reason says more than "shows something else".
    const first = this.#stuck.get(step) ?? stuck
    this.#stuck.set(step, first)
    await this.#record(step, { state: 'stuck', isUncertain: false, reason: first.reason })
  }

  #record(step: Step, record: StepRecord): Promise<void> {
    return this.#parts.journal.record(step, record)
  }
}

/** Of steps backwards: for each entity the last one, whose image before is what shall be there in the end. */
function finalOfEach(backwards: readonly Step[]): readonly Step[] {
  const finals = new Map(backwards.map(step => [`${step.change.kind}:${step.change.id}`, step]))
  return backwards.filter(step => finals.get(`${step.change.kind}:${step.change.id}`) === step)
}
