import pg from 'pg'
import { destroyClient } from '../../events/postgres/client.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'

const RECONNECT_MS = 1_000
/** Where notices do not come, those who wait look by themselves. */
const LOOK_EVERY_MS = 500

export interface NoticeParts {
  readonly url: string
  readonly log: Logger
  readonly timers: Timers
}

/** PostgreSQL's notices of the manager, among all its processes. They are hints; whoever waits looks from time to time. */
export class Notices {
  readonly #parts: NoticeParts
  readonly #listeners = new Set<(payload: string) => void>()
  #client: pg.Client | undefined
  #isClosed = false
  #cancelRetry = () => {}
  readonly #stopLooking: () => void

  constructor(parts: NoticeParts) {
    this.#parts = parts
    // Payloads say what happened; an empty one says "look".
    this.#stopLooking = parts.timers.every(LOOK_EVERY_MS, () => this.#tell(''))
    void this.#connect()
  }

  /** @returns what ends the listening. */
  listen(listener: (payload: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry()
    this.#stopLooking()
    if (this.#client) destroyClient(this.#client)
  }

  #tell(payload: string): void {
    for (const listener of this.#listeners) listener(payload)
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#parts.url,
      application_name: 'sluice manager notices',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
    })
    this.#client = client
    let isOver = false
    const retry = (reason: string) => {
      if (isOver || this.#isClosed) return
      isOver = true
      destroyClient(client)
      this.#parts.log.debug({ reason }, 'no notices from PostgreSQL')
      this.#cancelRetry = this.#parts.timers.after(RECONNECT_MS, () => void this.#connect())
    }
    client.on('error', error => retry(messageOf(error)))
    client.on('end', () => retry('the connection was closed'))
    client.on('notification', ({ payload = '' }) => this.#tell(payload))
    try {
      await client.connect()
      await client.query('listen sluice_manager')
      this.#tell('')
    } catch (error) {
      retry(messageOf(error))
    }
  }
}
