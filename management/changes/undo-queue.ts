import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { connectBroker, destroyConnection } from '../../events/rabbitmq/connection.ts'
import { doublingMs } from '../../foundation/backoff.ts'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { isUuid } from '../../foundation/uuid.ts'
import type { FaultPoint } from '../fault-point.ts'

export /** Of its own: a user that may write to `sluice.…` alone may not use the default exchange. */
const EXCHANGE = 'sluice.manager'
const UNDO_QUEUE = 'sluice.manager.undo'
export const DEAD_QUEUE = 'sluice.manager.undo.dead'
/** Pauses before another attempt, seconds: each a queue, whose messages go back to the first one after that time. */
export const WAIT_SECONDS = [1, 10, 60] as const
/** Counts crashes of whoever took the message. */
const DELIVERY_LIMIT = 20
const CONNECT_TIMEOUT_MS = 5_000
const CONFIRM_TIMEOUT_MS = 2_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000

export interface UndoQueueParts {
  readonly url: string
  readonly log: Logger
  readonly timers: Timers
  readonly fault: FaultPoint
  /**
   * Called with the id of a change that waits to be undone. The message is acknowledged when the promise resolves, and
   * given back when it rejects.
   */
  readonly onHint: (changeId: string) => Promise<void>
}

/**
 * Hints that a change waits to be undone. All facts are in PostgreSQL: a message that is lost, late or doubled does no
 * harm, and the broker is never needed.
 */
export class UndoQueue {
  readonly #parts: UndoQueueParts
  #connection: ChannelModel | undefined
  #channel: ConfirmChannel | undefined
  #consumerTag: string | undefined
  #isConsuming = false
  #isClosed = false
  #failures = 0
  #cancelRetry = () => {}

  constructor(parts: UndoQueueParts) {
    this.#parts = parts
    void this.#connect()
  }

  /** Whether a message that is published now finds its way. */
  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  /** Takes messages, one at a time, until told otherwise: only the holder of the lease can use them. */
  async consume(isWanted: boolean): Promise<void> {
    this.#isConsuming = isWanted
    await this.#applyConsuming().catch((error: unknown) => this.#drop(messageOf(error)))
  }

  /** Never rejects. @returns whether the broker has confirmed the message. */
  async publish(changeId: string, pauseSeconds?: (typeof WAIT_SECONDS)[number]): Promise<boolean> {
    const channel = this.#channel
    if (!channel) return false
    const queue = pauseSeconds === undefined ? UNDO_QUEUE : waitQueue(pauseSeconds)
    try {
      await this.#parts.fault('undo.publish.before')
      await confirmed(channel, queue, changeId, this.#parts.timers)
      await this.#parts.fault('undo.publish.after')
      return true
    } catch (error) {
      this.#drop(messageOf(error))
      return false
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry()
    const connection = this.#connection
    this.#connection = undefined
    this.#channel = undefined
    if (!connection) return
    const giveUp = this.#parts.timers.after(CONFIRM_TIMEOUT_MS, () => destroyConnection(connection))
    await connection.close().catch(() => {})
    giveUp()
  }

  async #connect(): Promise<void> {
    try {
      const connection = await connectBroker(this.#parts.url, CONNECT_TIMEOUT_MS)
      if (this.#isClosed) return destroyConnection(connection)
      this.#connection = connection
      const end = (error?: Error) =>
        this.#drop(error ? messageOf(error) : 'the connection was closed', connection)
      connection.on('error', end)
      connection.on('close', () => end())
      const channel = await connection.createConfirmChannel()
      channel.on('error', end)
      channel.on('close', () => end())
      await declare(channel)
      await channel.prefetch(1)
      this.#channel = channel
      this.#failures = 0
      await this.#applyConsuming()
    } catch (error) {
      this.#drop(messageOf(error))
    }
  }

  /** Gives the connection up, and makes another one after a pause. */
  #drop(reason: string, connection = this.#connection): void {
    if (this.#isClosed || (connection && connection !== this.#connection)) return
    this.#connection = undefined
    this.#channel = undefined
    this.#consumerTag = undefined
    if (connection) destroyConnection(connection)
    if (this.#failures === 0)
      this.#parts.log.warn({ reason }, 'RabbitMQ unavailable: undoing goes on from PostgreSQL')
    const pauseMs = doublingMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
    this.#cancelRetry()
    this.#cancelRetry = this.#parts.timers.after(pauseMs, () => void this.#connect())
  }

  async #applyConsuming(): Promise<void> {
    const channel = this.#channel
    if (!channel) return
    if (this.#isConsuming && this.#consumerTag === undefined) {
      const { consumerTag } = await channel.consume(UNDO_QUEUE, message => void this.#take(channel, message))
      this.#consumerTag = consumerTag
    } else if (!this.#isConsuming && this.#consumerTag !== undefined) {
      const tag = this.#consumerTag
      this.#consumerTag = undefined
      await channel.cancel(tag)
    }
  }

  async #take(channel: ConfirmChannel, message: ConsumeMessage | null): Promise<void> {
    // The broker has ended the consumer, for instance because the queue was deleted.
    if (!message) return this.#drop('the queue is gone')
    const changeId = message.content.toString()
    const isDone =
      !isUuid(changeId) ||
      (await this.#parts.onHint(changeId).then(
        () => true,
        () => false,
      ))
    try {
      if (isDone) channel.ack(message)
      else channel.nack(message)
    } catch {
      // The channel is gone: the message comes again.
    }
  }
}

const waitQueue = (seconds: number): string => `${UNDO_QUEUE}.wait.${seconds}s`

/** Declares the queues; what stands already stays as it is. */
async function declare(channel: ConfirmChannel): Promise<void> {
  const quorum = { 'x-queue-type': 'quorum' }
  await channel.assertExchange(EXCHANGE, 'direct', { durable: true })
  await channel.assertQueue(DEAD_QUEUE, { durable: true, arguments: quorum })
  await channel.assertQueue(UNDO_QUEUE, {
    durable: true,
    arguments: {
      ...quorum,
      'x-delivery-limit': DELIVERY_LIMIT,
      'x-dead-letter-exchange': EXCHANGE,
      'x-dead-letter-routing-key': DEAD_QUEUE,
    },
  })
  for (const seconds of WAIT_SECONDS)
    await channel.assertQueue(waitQueue(seconds), {
      durable: true,
      arguments: {
        ...quorum,
        'x-message-ttl': seconds * 1_000,
        'x-dead-letter-exchange': EXCHANGE,
        'x-dead-letter-routing-key': UNDO_QUEUE,
      },
    })
  for (const queue of [UNDO_QUEUE, DEAD_QUEUE, ...WAIT_SECONDS.map(waitQueue)])
    await channel.bindQueue(queue, EXCHANGE, queue)
}

function confirmed(channel: ConfirmChannel, queue: string, text: string, timers: Timers): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(CONFIRM_TIMEOUT_MS, () =>
      reject(new Error(`no confirm in ${CONFIRM_TIMEOUT_MS} ms`)),
    )
    const options = { persistent: true, contentType: 'text/plain' }
    channel.publish(EXCHANGE, queue, Buffer.from(text), options, error => {
      cancel()
      if (error) reject(error as Error)
      else resolve()
    })
  })
}
