import { messageOf } from '../../foundation/errors.ts'
import { pause } from '../../foundation/pause.ts'
import type { HeldLease, Lease } from './lease.ts'
import { type Hints, Tenure } from './tenure.ts'
import type { ChangingParts } from './tenure-parts.ts'

/** How often is asked for the lease while somebody else holds it. */
const TAKE_EVERY_MS = 500
/** How long nothing must fail before all counts as well: some attempts are without a write. */
const WELL_AFTER_MS = 3_000
/** How long a change under way may take before the process ends without it. */
const GRACE_MS = 8_000

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/** Takes the lease whenever it is free, and works while it lasts. */
export class Holder implements Hints {
  readonly #parts: ChangingParts
  readonly #lease: Lease
  readonly #closing = new AbortController()
  readonly #hinted = new Map<string, Waiting[]>()
  #tenure: Tenure | undefined
  #held: HeldLease | undefined
  #running: Promise<void> = Promise.resolve()
  #failure: { readonly reason: string; readonly atMs: number } | undefined

  constructor(parts: ChangingParts, lease: Lease) {
    this.#parts = parts
    this.#lease = lease
  }

  /** Whether this process holds the lease. */
  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Why changes wait; undefined while they are made. */
  get problem(): string | undefined {
    const { reason, atMs } = this.#failure ?? {}
    return atMs !== undefined && this.#parts.clock.monotonic() - atMs < WELL_AFTER_MS
      ? `changes wait: ${reason}`
      : undefined
  }

  start(): void {
    this.#running = this.#run()
  }

  wake(): void {
    this.#tenure?.wake()
  }

  /** A message says that a change waits to be undone. Resolves when that is done, or was not so. */
  hint(changeId: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#hinted.set(changeId, [...(this.#hinted.get(changeId) ?? []), { resolve, reject }])
      this.wake()
    })
  }

  has(changeId: string): boolean {
    return this.#hinted.has(changeId)
  }

  settle(changeId: string): void {
    const waiting = this.#hinted.get(changeId) ?? []
    this.#hinted.delete(changeId)
    for (const { resolve } of waiting) resolve()
  }

  settleOthers(changeId: string | undefined): void {
    for (const id of this.#hinted.keys()) if (id !== changeId) this.settle(id)
  }

  /** Ends the change under way, and gives the lease up. */
  async close(): Promise<void> {
    this.#closing.abort()
    const hurry = this.#parts.timers.after(GRACE_MS, () => this.#held?.lose())
    await this.#running
    hurry()
  }

  async #run(): Promise<void> {
    const { timers } = this.#parts
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const held = await this.#lease.take()
        if (held) await this.#hold(held)
      } catch (error) {
        this.#noteFailure(messageOf(error))
      }
      await pause(timers, TAKE_EVERY_MS, signal)
    }
  }

  /** Is told once, however often the same is tried. */
  #noteFailure(reason: string): void {
    const isNew = this.problem === undefined || this.#failure?.reason !== reason
    this.#failure = { reason, atMs: this.#parts.clock.monotonic() }
    if (isNew) this.#parts.log.warn({ reason }, 'changes wait')
  }

  async #hold(held: HeldLease): Promise<void> {
    const { timers, log, queue, timing } = this.#parts
    const tenure = new Tenure(held, this.#parts, this)
    this.#held = held
    this.#tenure = tenure
    const stopRenewing = timers.every(timing.renewEveryMs, () => {
      held.renew().catch(() => {
        if (held.remainingMs <= 0) held.lose()
      })
    })
    log.info({ epoch: held.epoch }, 'holding the right to write')
    // Not waited for: a broker that does not answer, as during a memory alarm, keeps no change waiting.
    void queue()?.consume(true)
    try {
      await tenure.run(this.#closing.signal)
    } finally {
      stopRenewing()
      this.#held = undefined
      this.#tenure = undefined
      void queue()
        ?.consume(false)
        .then(() => this.#giveBackHints())
      await held.release().catch(() => {})
      log.info({ epoch: held.epoch }, 'gave up the right to write')
    }
  }

  /** Whoever holds the lease next gets the messages. */
  #giveBackHints(): void {
    for (const waiting of this.#hinted.values())
      for (const { reject } of waiting) reject(new Error('the lease is lost'))
    this.#hinted.clear()
  }
}
