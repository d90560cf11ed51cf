import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import { type Connection, connect, disconnect, keepConnecting } from './connection.ts'
import type { Redis } from './ioredis.ts'

export interface Watcher {
  readonly hear: (message: string) => void
  /** Called when messages begin to arrive, and with false when they may be lost from then on. */
  readonly onListening: (isListening: boolean) => void
}

interface Channel {
  readonly watchers: Set<Watcher>
  isListening: boolean
}

/** Hears channels over a connection of its own, which is made for the first of them. */
export class Subscriber {
  readonly #urls: readonly string[]
  readonly #deadlineMs: number
  readonly #log: Logger
  readonly #channels = new Map<string, Channel>()
  #connection: Connection | undefined
  #closed = false

  constructor(urls: readonly string[], deadlineMs: number, log: Logger) {
    this.#urls = urls
    this.#deadlineMs = deadlineMs
    this.#log = log
  }

  watch(name: string, watcher: Watcher): () => void {
    const known = this.#channels.get(name)
    const channel = known ?? { watchers: new Set(), isListening: false }
    channel.watchers.add(watcher)
    this.#channels.set(name, channel)
    this.#connection ??= this.#connect()
    if (!known) this.#subscribe(this.#connection, name, channel)
    else if (channel.isListening) watcher.onListening(true)
    return () => {
      channel.watchers.delete(watcher)
      if (channel.watchers.size > 0 || !this.#channels.delete(name)) return
      this.#connection?.unsubscribe(name).catch(() => {})
    }
  }

  close(): void {
    this.#closed = true
    this.#channels.clear()
    if (this.#connection) disconnect(this.#connection)
  }

  #connect(): Connection {
    const connection = connect(this.#urls, this.#deadlineMs, 'watch')
    connection.on('error', error => this.#log.debug({ reason: messageOf(error) }, 'redis subscription'))
    connection.on('ready', () => {
      for (const [name, channel] of this.#channels) this.#subscribe(connection, name, channel)
    })
    connection.on('close', () => {
      for (const channel of this.#channels.values()) setListening(channel, false)
    })
    keepConnecting(connection, () => this.#closed)
    ;(connection as Redis).on('message', (name: string, message: string) => {
      for (const { hear } of this.#channels.get(name)?.watchers ?? []) hear(message)
    })
    return connection
  }

  /** Refused while there is no connection yet: 'ready' subscribes to everything again. */
  #subscribe(connection: Connection, name: string, channel: Channel): void {
    connection.subscribe(name).then(
      () => setListening(channel, true),
      () => {},
    )
  }
}

function setListening(channel: Channel, isListening: boolean): void {
  if (channel.isListening === isListening) return
  channel.isListening = isListening
  for (const { onListening } of channel.watchers) onListening(isListening)
}
