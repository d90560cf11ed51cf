import type { Clock } from '../../foundation/clock.ts'
import type { Queries } from '../database.ts'
import type { FaultPoint } from '../fault-point.ts'

export interface LeaseParts {
  readonly database: Queries
  readonly clock: Clock
  readonly fault: FaultPoint
  /** How long the right to write lasts without being renewed, milliseconds. */
  readonly leaseMs: number
  /** Unique among all managers, and another one after each start. */
  readonly holder: string
}

/**
 * The right to write: one row, by PostgreSQL's clock. Who takes it gets the next epoch; a commit under an older epoch
 * finds nothing to do.
 */
export class Lease {
  readonly #parts: LeaseParts

  constructor(parts: LeaseParts) {
    this.#parts = parts
  }

  /** @returns undefined while somebody else holds it. */
  async take(): Promise<HeldLease | undefined> {
    const { database, clock, holder, fault, leaseMs } = this.#parts
    // From before the question on: the server's time began later.
    const askedAtMs = clock.monotonic()
    await fault('lease.take.before')
    const { rows } = await database.query<{ epoch: string; was_held: boolean }>(
      `with old as (select holder from sluice_manager.lease where expires_at <= clock_timestamp() for update)
       update sluice_manager.lease l
          set holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + $2 * interval '1 ms'
         from old returning l.epoch, old.holder is not null as was_held`,
      [holder, leaseMs],
    )
    await fault('lease.take.after')
    const [row] = rows
    return row && new HeldLease(this.#parts, Number(row.epoch), row.was_held, askedAtMs + leaseMs)
  }
}

export class HeldLease {
  readonly epoch: number
  /** Its last holder did not give it up: a request of theirs may still be under way. */
  readonly wasHeld: boolean
  readonly #parts: LeaseParts
  readonly #lost = new AbortController()
  #untilMs: number

  constructor(parts: LeaseParts, epoch: number, wasHeld: boolean, untilMs: number) {
    this.#parts = parts
    this.epoch = epoch
    this.wasHeld = wasHeld
    this.#untilMs = untilMs
  }

  /** Aborted once the lease is known to be lost. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** What is left of it for sure, milliseconds. */
  get remainingMs(): number {
    return this.lost.aborted ? 0 : this.#untilMs - this.#parts.clock.monotonic()
  }

  /** Without success the lease goes on as long as it was. */
  async renew(): Promise<void> {
    const { database, clock, leaseMs } = this.#parts
    const askedAtMs = clock.monotonic()
    const { rowCount } = await database.query(
      `update sluice_manager.lease set expires_at = clock_timestamp() + $2 * interval '1 ms' where epoch = $1`,
      [this.epoch, leaseMs],
    )
    if (rowCount === 0) this.lose()
    else this.#untilMs = askedAtMs + leaseMs
  }

  lose(): void {
    this.#lost.abort()
  }

  /** Lets another manager take it at once. */
  async release(): Promise<void> {
    if (this.lost.aborted) return
    this.lose()
    await this.#parts.database.query(
      `update sluice_manager.lease set holder = null, expires_at = '-infinity' where epoch = $1`,
      [this.epoch],
    )
  }
}

/**
 * The beginning of a statement that does something under an epoch only: `$1` is the epoch, and `from held` stands in
 * each of its parts. The share lock keeps a new holder from taking the lease before the commit.
 */
export const HELD = 'held as (select 1 from sluice_manager.lease where epoch = $1 for share)'
