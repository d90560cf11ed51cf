import type { Redis } from 'ioredis'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import { type Connection, connect, keepConnecting } from './connection.ts'

/** Hears channels over a connection of its own, which is made for the first of them. */
export class Subscriber {
  readonly #urls: readonly string[]
  readonly #deadlineMs: number
  readonly #log: Logger
  readonly #watchers = new Map<string, Set<(message: string) => void>>()
  #connection: Connection | undefined
  #closed = false

  constructor(urls: readonly string[], deadlineMs: number, log: Logger) {
    this.#urls = urls
    this.#deadlineMs = deadlineMs
    this.#log = log
  }

  watch(channel: string, hear: (message: string) => void): () => void {
    const watchers = this.#watchers.get(channel) ?? new Set()
    this.#watchers.set(channel, watchers.add(hear))
    this.#connection ??= this.#connect()
    // Refused while there is no connection yet: 'ready' subscribes to everything again.
    if (watchers.size === 1) this.#connection.subscribe(channel).catch(() => {})
    return () => {
      watchers.delete(hear)
      if (watchers.size > 0 || !this.#watchers.delete(channel)) return
      this.#connection?.unsubscribe(channel).catch(() => {})
    }
  }

  close(): void {
    this.#closed = true
    this.#watchers.clear()
    this.#connection?.disconnect()
  }

  #connect(): Connection {
    const connection = connect(this.#urls, this.#deadlineMs, 'watch')
    connection.on('error', error => this.#log.debug({ reason: messageOf(error) }, 'redis subscription'))
    connection.on('ready', () => {
      for (const channel of this.#watchers.keys()) connection.subscribe(channel).catch(() => {})
    })
    keepConnecting(connection, () => this.#closed)
    ;(connection as Redis).on('message', (channel: string, message: string) => {
      for (const hear of this.#watchers.get(channel) ?? []) hear(message)
    })
    return connection
  }
}
