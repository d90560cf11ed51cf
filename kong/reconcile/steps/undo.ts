import { messageOf } from '../../../foundation/errors.ts'
import { AdminUnreachable, isTransient, isUncertain } from '../../admin/answer.ts'
import { retry } from '../../admin/retry.ts'
import type { Change, Row } from '../change.ts'
import type { RunParts } from './execute.ts'
import { reverse, schedule } from './schedule.ts'
import { settle } from './settle.ts'
import type { Leftover, SettleOptions, Step, StepRecord, StepState } from './steps.ts'
import { WatchedKong } from './watched-kong.ts'
import { undoChange } from './write.ts'

export interface UndoOptions {
  /** Requests at once. */
  readonly concurrency: number
  /** How long a step is tried again while Kong is away or failing, milliseconds. */
  readonly retryForMs: number
  readonly settle: SettleOptions
  /**
   * Ends without settling once Kong has not answered as many times in a row as requests are sent at once: another
   * attempt follows when it is back.
   */
  readonly endsWhenAway?: boolean
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

/** Of all steps, where the undoing has ended early. */
const AWAY: Stuck = { reason: 'Kong does not answer', isTransient: true }

/** Why a step is not undone after the settling. */
function stuckBy({ irreversible }: Step, error: unknown): Stuck {
  // Whether what is irreversible was done at all is not known before it can be read.
  if (isTransient(error instanceof Error ? error.cause : undefined))
    return { reason: messageOf(error), isTransient: true }
  return { reason: irreversible ?? messageOf(error), isTransient: false }
}

class Undoing {
  readonly #records: ReadonlyMap<number, StepRecord>
  readonly #options: UndoOptions
  readonly #parts: RunParts
  readonly #stuck = new Map<Step, Stuck>()
  /** Whether a request, of the run or of the undoing, may still take effect. */
  #isUncertain = false
  #retryForMs: number
  readonly #kong: WatchedKong

  constructor(records: ReadonlyMap<number, StepRecord>, options: UndoOptions, parts: RunParts) {
    this.#records = records
    this.#options = options
    this.#parts = parts
    this.#retryForMs = options.retryForMs
    const { endsWhenAway = false, concurrency } = options
    this.#kong = new WatchedKong(parts.kong, endsWhenAway ? concurrency : Number.POSITIVE_INFINITY)
  }

  async undo(steps: readonly Step[]): Promise<readonly Leftover[]> {
    const bySeq = new Map(steps.map(step => [step.seq, step]))
    const done = steps.filter(step => TO_UNDO.includes(this.#records.get(step.seq)?.state))
    this.#isUncertain = done.some(step => this.#isOpen(step))
    const backwards = reverse(done)
    const original = (step: Step) => bySeq.get(step.seq) ?? step
    const { concurrency } = this.#options
    await schedule(backwards, { concurrency, isStopped: () => this.#kong.isAway }, step =>
      this.#undoStep(original(step)),
    )
    if (this.#isUncertain && !this.#kong.isAway) {
      await this.#options.onSettle?.()
      await this.#settle(backwards, original)
    }
    if (this.#kong.isAway) return done.map(({ change }) => ({ change, ...AWAY }))
    return [...this.#stuck].map(([{ change }, stuck]) => ({ change, ...stuck }))
  }

  async #undoStep(step: Step): Promise<void> {
    if (step.irreversible !== undefined) {
      // Whether it was done at all shows when everything has settled.
      if (!this.#isOpen(step)) await this.#setStuck(step, { reason: step.irreversible, isTransient: false })
      return
    }
    await this.#record(step, { state: 'undoing', isUncertain: false })
    let row: Row | null | undefined
    try {
      row = await this.#retry(step)
    } catch (error) {
      // Once Kong has stayed away for the whole time, each further step is tried once, without waiting.
      if (error instanceof AdminUnreachable) this.#retryForMs = 0
      await this.#setStuck(step, { reason: messageOf(error), isTransient: isTransient(error) })
      return
    }
    this.#stuck.delete(step)
    await this.#record(step, { state: 'undone', isUncertain: false, ...(row !== undefined && { row }) })
  }

  #retry({ change }: Step): Promise<Row | null | undefined> {
    const attempt = () =>
      undoChange(this.#kong, change).catch((error: unknown) => {
        this.#isUncertain ||= isUncertain(error)
        throw error
      })
    const onRetry = (error: unknown) => this.#options.onRetry?.(change, error)
    return retry(attempt, { forMs: () => this.#retryForMs, onRetry }, this.#parts.retry)
  }

  /** Waits out what may still be written, and takes it back. */
  async #settle(backwards: readonly Step[], original: (step: Step) => Step): Promise<void> {
    const { images, retry: retryParts } = this.#parts
    const { concurrency, settle: options } = this.#options
    const isAway = () => this.#kong.isAway
    const watched = finalOfEach(backwards).filter(
      step => step.irreversible === undefined || this.#isOpen(step),
    )
    const unsettled = await settle(
      watched,
      { ...options, concurrency, image: 'before', isAway },
      { kong: this.#kong, images, retry: retryParts, write: step => this.#undoStep(original(step)) },
    )
    if (isAway()) return
    const differing = new Map(unsettled.map(({ step, error }) => [step.seq, error]))
    await Promise.all(watched.map(step => this.#conclude(original(step), differing.get(step.seq))))
  }

  /** @param error why its entity is not as it should be after the settling; undefined where it is. */
  async #conclude(step: Step, error: unknown): Promise<void> {
    if (error !== undefined) await this.#setStuck(step, stuckBy(step, error))
    else if (step.irreversible !== undefined || this.#stuck.delete(step))
      await this.#record(step, { state: 'undone', isUncertain: false })
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
