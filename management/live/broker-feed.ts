import type { ChannelModel } from 'amqplib'
import { connectBroker, destroyConnection } from '../../events/rabbitmq/connection.ts'
import { EXCHANGE } from '../../events/rabbitmq/topology.ts'
import { doublingMs } from '../../foundation/backoff.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { type LiveEvent, parseEvent } from './live-event.ts'

const CONNECT_TIMEOUT_MS = 5_000
const CLOSE_TIMEOUT_MS = 2_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000
/** A manager that is slow or stopped must not fill the broker; PostgreSQL has what is dropped here. */
const QUEUE_LENGTH = 10_000

export interface BrokerFeedParts {
  readonly url: string
  readonly log: Logger
  readonly timers: Timers
  readonly onEvent: (event: LiveEvent) => void
}

/** Events from RabbitMQ as they happen, by a queue that ends with the connection. Some may never come. */
export class BrokerFeed {
  readonly #parts: BrokerFeedParts
  #connection: ChannelModel | undefined
  #isReceiving = false
  #isClosed = false
  #failures = 0
  #cancelRetry = () => {}

  constructor(parts: BrokerFeedParts) {
    this.#parts = parts
    void this.#connect()
  }

  get isReceiving(): boolean {
    return this.#isReceiving
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#isReceiving = false
    this.#cancelRetry()
    const connection = this.#connection
    this.#connection = undefined
    if (!connection) return
    const giveUp = this.#parts.timers.after(CLOSE_TIMEOUT_MS, () => destroyConnection(connection))
    await connection.close().catch(() => {})
    giveUp()
  }

  async #connect(): Promise<void> {
    try {
      const connection = await connectBroker(this.#parts.url, CONNECT_TIMEOUT_MS)
      if (this.#isClosed) return destroyConnection(connection)
      this.#connection = connection
      const end = (error?: unknown) =>
        this.#drop(error === undefined ? 'the connection was closed' : messageOf(error), connection)
      connection.on('error', end)
      connection.on('close', () => end())
      const channel = await connection.createChannel()
      channel.on('error', end)
      channel.on('close', () => end())
      await channel.assertExchange(EXCHANGE, 'topic', { durable: true })
      const { queue } = await channel.assertQueue('', {
        exclusive: true,
        autoDelete: true,
        arguments: { 'x-max-length': QUEUE_LENGTH },
      })
      await channel.bindQueue(queue, EXCHANGE, '#')
      await channel.consume(
        queue,
        message => {
          if (!message) return end('the queue is gone')
          const event = parseEvent(message.content)
          if (event) this.#parts.onEvent(event)
        },
        { noAck: true },
      )
      this.#isReceiving = this.#connection === connection
      this.#failures = 0
    } catch (error) {
      this.#drop(messageOf(error))
    }
  }

  /** Gives the connection up, and makes another one after a pause. */
  #drop(reason: string, connection = this.#connection): void {
    if (this.#isClosed || (connection && connection !== this.#connection)) return
    this.#connection = undefined
    this.#isReceiving = false
    if (connection) destroyConnection(connection)
    if (this.#failures === 0)
      this.#parts.log.warn({ reason }, 'RabbitMQ unavailable: streams of events follow PostgreSQL')
    const pauseMs = doublingMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
    this.#cancelRetry()
    this.#cancelRetry = this.#parts.timers.after(pauseMs, () => void this.#connect())
  }
}
