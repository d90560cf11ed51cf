/**
 * One executor of steps, for `sluice apply` and for whoever else changes Kong.
 *
 *     const steps = orderChanges(changes, { desired, current })        // pure: what, and in which order
 *     const run = await execute(steps, { kong, journal, … })           // forwards
 *     if (run.failure || run.isInterrupted)
 *       leftovers = await undo(steps, run.records, { kong, journal, … }) // backwards
 *
 * A step goes through these states; each transition is given to the `Journal` and awaited:
 *
 *     (planned) → begun → done | unknown | failed          execute
 *     begun, done, unknown → undoing → undone | stuck      undo
 *
 * - `begun` is recorded before Kong is asked, `done` after its answer. Whoever finds a step `begun` after a crash
 *   treats it like `unknown`.
 * - `unknown`: no answer, or a 5xx. Kong may have written, or may still write: with a locked row it answers 500 after
 *   its pg_timeout and writes when the lock is gone. Such a step is undone like one that was done.
 * - `failed`: Kong refused (4xx). Nothing was written, and nothing is undone.
 * - `undo` writes the image before, also where Kong already shows it. Where anything was unknown, it then reads all
 *   entities again every `settle.waitMs` (Kong's pg_timeout) until `settle.forMs` have passed, and takes back what
 *   was written late.
 * - `stuck`: could not be undone, with the reason; all others are undone all the same.
 *
 * Steps and records are plain data: a journal may store them as JSON, and another process may continue with `undo`.
 * A journal that rejects ends the run at once with its error, and nothing is undone: the right to write was lost, and
 * its new holder continues. Steps that cannot be undone have the reason in `irreversible`, and `orderChanges` puts
 * them last.
 */
import type { AdminClient } from '../../admin/client.ts'
import type { Change, Row } from '../change.ts'

/** A change with its place in the run. */
export interface Step {
  /** Unique in its list; `after` refers to it. */
  readonly seq: number
  /** A stage begins when all steps of the one before have ended. */
  readonly stage: number
  /** Steps that come before this one. */
  readonly after: readonly number[]
  readonly change: Change
  /** Why it cannot be undone, once Kong has done it. */
  readonly irreversible?: string
}

export type StepState = 'begun' | 'done' | 'unknown' | 'failed' | 'undoing' | 'undone' | 'stuck'

/** The state of a step; a step without a record has not begun. */
export interface StepRecord {
  readonly state: StepState
  /** A request of this step got no answer, or a 5xx, though a later one may have succeeded. */
  readonly isUncertain: boolean
  /** Of `unknown`, `failed` and `stuck`, for people: it may quote what Kong said. */
  readonly reason?: string
  /** Of `done` and `undone`: the entity as Kong answered, null where it is not there; undefined where Kong said nothing. */
  readonly row?: Row | null
}

export interface Journal {
  /** Resolves when the transition is durable. */
  record(step: Step, record: StepRecord): Promise<void>
}

/** The part of the Admin API's client that steps need: a caller may guard it, by a lease for instance. */
export type AdminRequests = Pick<AdminClient, 'request' | 'find' | 'now'>

/** Compares what Kong shows with the images of a change. */
export interface Images {
  /** @param row as Kong reports the entity; undefined when there is none. */
  shows(change: Change, image: 'before' | 'after', row: Row | undefined): boolean
}

export interface SettleOptions {
  /** How long after an unknown step, and how often, its entity is read again, milliseconds: Kong's `pg_timeout`. */
  readonly waitMs: number
  /** How long late writes are looked for, milliseconds; at least one look is taken. */
  readonly forMs: number
}

/** A change that could not be taken back. */
export interface Leftover {
  readonly change: Change
  readonly reason: string
  /** Another attempt may take it back: Kong was unavailable. */
  readonly isTransient: boolean
}
