import { messageOf } from '../../foundation/errors.ts'
import { pause } from '../../foundation/pause.ts'
import { isTransient } from '../../kong/admin/answer.ts'
import { Drift } from '../mirror/drift.ts'
import { fillMirror } from '../mirror/fill.ts'
import { readKong } from '../mirror/reading.ts'
import { Announcer } from './announce.ts'
import type { ChangeRow } from './change-record.ts'
import type { HeldLease } from './lease.ts'
import type { ChangingParts } from './tenure-parts.ts'
import { Turn } from './turn.ts'
import { attemptUndo } from './undoing.ts'

/** How long a worker that takes messages has the first go at an undo. */
const HINT_MS = 2_000
/** How often is looked whether there is something to do; whoever adds something tells. */
const LOOK_EVERY_MS = 500

export interface Hints {
  has(changeId: string): boolean
  /** Acknowledges the messages about a change. */
  settle(changeId: string): void
  /** Acknowledges the messages about all changes but this one, which waits for its time. */
  settleOthers(changeId: string | undefined): void
}

/** A time of holding the lease: everything that changes Kong is done here, one after the other. */
export class Tenure {
  readonly #lease: HeldLease
  readonly #parts: ChangingParts
  readonly #hints: Hints
  readonly #turn: Turn
  readonly #drift: Drift
  readonly #announcer: Announcer
  #isWoken = false
  #wake = () => {}
  /** Kong did not answer since the last attempt to undo. */
  #wasKongAway = false

  constructor(lease: HeldLease, parts: ChangingParts, hints: Hints) {
    this.#lease = lease
    this.#parts = parts
    this.#hints = hints
    this.#turn = new Turn(parts, lease)
    this.#drift = new Drift(parts, lease, () => this.wake())
    this.#announcer = new Announcer(parts.store, parts.events, parts.kong.url)
    lease.lost.addEventListener('abort', () => this.wake(), { once: true })
  }

  /** There may be something to do. */
  wake(): void {
    this.#isWoken = true
    this.#wake()
  }

  /**
   * Works until the lease is lost or `stopping` is aborted.
   *
   * @throws where PostgreSQL is lost.
   */
  async run(stopping: AbortSignal): Promise<void> {
    const wake = () => this.wake()
    stopping.addEventListener('abort', wake, { once: true })
    try {
      await this.#run(stopping)
    } finally {
      stopping.removeEventListener('abort', wake)
    }
  }

  async #run(stopping: AbortSignal): Promise<void> {
    const { timers, timing } = this.#parts
    // A request of the last holder may be under way that long.
    if (this.#lease.wasHeld)
      await pause(timers, timing.requestMs, AbortSignal.any([stopping, this.#lease.lost]))
    await this.#recover()
    while (!stopping.aborted && !this.#lease.lost.aborted) {
      if (!(await this.#ensureMirror()) || !(await this.#work())) await this.#idle()
      await this.#announcer.announce()
    }
  }

  /** Decides about a change whose process has died midway. */
  async #recover(): Promise<void> {
    const { store, log } = this.#parts
    const { ledger } = this.#turn
    const change = await store.next()
    if (change?.state !== 'applying') return
    const records = (await store.steps.of(change.id)).map(({ record }) => record)
    const isDone = records.every(record => record?.state === 'done' && !record.isUncertain)
    if (records.every(record => record === undefined) && records.length > 0) await ledger.putBack(change)
    else if (isDone) await ledger.setState(change, 'applied')
    else {
      log.warn({ change: change.id }, 'a manager died while it applied a change: undoing it')
      await ledger.setState(change, 'undoing', INTERRUPTED)
      await this.#parts.queue()?.publish(change.id)
    }
  }

  /** Whether the mirror shows Kong; it is filled once. */
  async #ensureMirror(): Promise<boolean> {
    const { mirror, slowKong, schemas, sealer, log } = this.#parts
    if (await mirror.readAt()) return true
    try {
      const readAt = await mirror.now()
      await fillMirror(await readKong(slowKong, schemas, sealer), mirror, this.#lease, readAt)
      return true
    } catch (error) {
      if (!isTransient(error)) throw error
      log.debug({ reason: messageOf(error) }, 'Kong cannot be read yet')
      return false
    }
  }

  /** Whether something was done. */
  async #work(): Promise<boolean> {
    const change = await this.#parts.store.next()
    const isUndoing = change?.state === 'undoing' || change?.state === 'settling'
    this.#hints.settleOthers(isUndoing ? change.id : undefined)
    const hasLooked = !isUndoing && (await this.#drift.work())
    if (!change) return hasLooked
    if (change.state === 'applying') {
      await this.#recover()
      return true
    }
    if (isUndoing) return this.#undo(change)
    await this.#turn.apply(change)
    return true
  }

  async #undo(change: ChangeRow): Promise<boolean> {
    if (!(await this.#isDue(change))) return false
    try {
      await attemptUndo(change, this.#turn, this.#parts)
      this.#wasKongAway = false
    } finally {
      this.#hints.settle(change.id)
    }
    return true
  }

  /** A message says so; or none came, broker away included; or Kong is back, for which nobody waits longer. */
  async #isDue({ id, overdueMs }: ChangeRow): Promise<boolean> {
    const overdue = overdueMs ?? 0
    if (overdue >= 0 && (this.#hints.has(id) || overdue >= HINT_MS || !this.#parts.queue()?.isConnected))
      return true
    const isThere = await this.#isKongThere()
    const isBack = isThere && this.#wasKongAway
    this.#wasKongAway ||= !isThere
    return isBack
  }

  async #isKongThere(): Promise<boolean> {
    try {
      const status = (await this.#parts.kong.find('/status')) as
        | { database?: { reachable?: boolean } }
        | undefined
      return status?.database?.reachable !== false
    } catch {
      return false
    }
  }

  async #idle(): Promise<void> {
    if (!this.#isWoken)
      await new Promise<void>(resolve => {
        const callOff = this.#parts.timers.after(LOOK_EVERY_MS, resolve)
        this.#wake = () => {
          callOff()
          resolve()
        }
      })
    this.#wake = () => {}
    this.#isWoken = false
  }
}

const INTERRUPTED = {
  type: 'urn:sluice:problem:SLUICE_MANAGER_FAILED',
  title: 'The change failed and was undone',
  status: 502,
  detail: 'the manager that applied the change died',
  code: 'SLUICE_MANAGER_FAILED',
  remedy: 'Send the change again.',
} as const
