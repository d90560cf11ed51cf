import { messageOf } from '../foundation/errors.ts'
import type { Timers } from '../foundation/timers.ts'
import type { AdminClient } from '../kong/admin/client.ts'
import type { MirrorStore } from './mirror/store.ts'

const LOOK_EVERY_MS = 1_000

export interface ReadinessParts {
  readonly mirror: MirrorStore
  readonly kong: AdminClient
  readonly timers: Timers
}

/** What the manager depends on, looked at every second. Reads need PostgreSQL, changes need Kong too. */
export class Readiness {
  readonly #parts: ReadinessParts
  readonly #stop: () => void
  #database: string | undefined = 'PostgreSQL was not asked yet'
  #kong: string | undefined
  #readAt: Date | undefined
  #readOnly: string | undefined
  #isLooking = false

  constructor(parts: ReadinessParts) {
    this.#parts = parts
    this.#stop = parts.timers.every(LOOK_EVERY_MS, () => void this.#look())
    void this.#look()
  }

  /** When Kong was last read as a whole. */
  get readAt(): Date | undefined {
    return this.#readAt
  }

  /** Why this Kong can only be read; undefined where it can be changed. */
  get readOnly(): string | undefined {
    return this.#readOnly
  }

  /** Why nothing can be served, a sentence each. */
  get blockers(): readonly string[] {
    if (this.#database !== undefined) return [this.#database]
    return this.#readAt ? [] : ['Kong was not read yet']
  }

  /** Why nothing can be changed, a sentence each. */
  get problems(): readonly string[] {
    return this.#kong === undefined ? [] : [this.#kong]
  }

  close(): void {
    this.#stop()
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    const { mirror, kong } = this.#parts
    const [database, status] = await Promise.allSettled([mirror.mark(), kong.find('/status')])
    this.#database = database.status === 'rejected' ? messageOf(database.reason) : undefined
    if (database.status === 'fulfilled') {
      this.#readAt = database.value.readAt
      this.#readOnly = database.value.readOnly
    }
    this.#kong = status.status === 'rejected' ? messageOf(status.reason) : undefined
    this.#isLooking = false
  }
}
