import type { Channel, ChannelModel } from 'amqplib'
import { connectBroker, destroyConnection } from '../events/rabbitmq/connection.ts'
import { doublingMs } from '../foundation/backoff.ts'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { Timers } from '../foundation/timers.ts'

const CONNECT_TIMEOUT_MS = 5_000
const CLOSE_TIMEOUT_MS = 2_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000

export interface BrokerLinkParts<C extends Channel> {
  readonly url: string
  readonly log: Logger
  readonly timers: Timers
  /** What goes on without the broker, for the log. */
  readonly without: string
  readonly createChannel: (connection: ChannelModel) => Promise<C>
  /** Declares what is needed, before the channel is used; `end` gives up this connection, with a reason. */
  readonly prepare: (channel: C, end: (reason: unknown) => void) => Promise<void>
  readonly onOpen?: () => Promise<void>
  readonly onLost?: () => void
}

/**
 * A connection to RabbitMQ with one channel, made anew after a growing pause whenever it is lost. The manager never
 * needs the broker, so nothing here rejects.
 */
export class BrokerLink<C extends Channel> {
  readonly #parts: BrokerLinkParts<C>
  #connection: ChannelModel | undefined
  #channel: C | undefined
  #isClosed = false
  #failures = 0
  #problem: string | undefined
  #cancelRetry = () => {}

  constructor(parts: BrokerLinkParts<C>) {
    this.#parts = parts
    void this.#connect()
  }

  /** Undefined while there is no broker. */
  get channel(): C | undefined {
    return this.#channel
  }

  /** Why there is no broker, and what goes on without; undefined while there is one. */
  get problem(): string | undefined {
    return this.#problem
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry()
    const connection = this.#connection
    this.#connection = undefined
    this.#channel = undefined
    if (!connection) return
    const giveUp = this.#parts.timers.after(CLOSE_TIMEOUT_MS, () => destroyConnection(connection))
    await connection.close().catch(() => {})
    giveUp()
  }

  /** Gives the connection up, and makes another one after a pause. */
  drop(reason: string, connection = this.#connection): void {
    if (this.#isClosed || (connection && connection !== this.#connection)) return
    this.#connection = undefined
    this.#channel = undefined
    this.#parts.onLost?.()
    if (connection) destroyConnection(connection)
    const { log, without } = this.#parts
    if (this.#failures === 0) log.warn({ reason }, `RabbitMQ unavailable: ${without}`)
    this.#problem = `RabbitMQ unavailable (${reason}): ${without}`
    const pauseMs = doublingMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
    this.#cancelRetry()
    this.#cancelRetry = this.#parts.timers.after(pauseMs, () => void this.#connect())
  }

  async #connect(): Promise<void> {
    const { url, log, createChannel, prepare, onOpen } = this.#parts
    try {
      const connection = await connectBroker(url, CONNECT_TIMEOUT_MS)
      if (this.#isClosed) return destroyConnection(connection)
      this.#connection = connection
      const end = (reason: unknown) => this.drop(messageOf(reason), connection)
      connection.on('error', end)
      connection.on('close', () => end('the connection was closed'))
      const channel = await createChannel(connection)
      channel.on('error', end)
      channel.on('close', () => end('the connection was closed'))
      await prepare(channel, end)
      if (this.#connection !== connection) return
      this.#channel = channel
      if (this.#failures > 0) log.info('RabbitMQ is back')
      this.#failures = 0
      this.#problem = undefined
      await onOpen?.()
    } catch (error) {
      this.drop(messageOf(error))
    }
  }
}
