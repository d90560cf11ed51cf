import type { ConfirmChannel, ConsumeMessage } from 'amqplib'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { BrokerLink } from '../broker-link.ts'
import type { FaultPoint } from '../fault-point.ts'

/** Of its own: a user that may write to `sluice.…` alone may not use the default exchange. */
const EXCHANGE = 'sluice.manager'
export const UNDO_QUEUE = 'sluice.manager.undo'
export const DEAD_QUEUE = 'sluice.manager.undo.dead'
/** Pauses before another attempt, seconds: each a queue, whose messages go back to the first one after that time. */
export const WAIT_SECONDS = [1, 10, 60] as const
/** Counts crashes of whoever took the message. */
const DELIVERY_LIMIT = 20
const CONFIRM_TIMEOUT_MS = 2_000
const LOOK_AT_DEAD_EVERY_MS = 2_000

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
  readonly #link: BrokerLink<ConfirmChannel>
  #consumerTag: string | undefined
  #isConsuming = false
  #applying: Promise<void> = Promise.resolve()
  #deadCount = 0
  readonly #stopLooking: () => void

  constructor(parts: UndoQueueParts) {
    const { url, log, timers } = parts
    this.#parts = parts
    this.#link = new BrokerLink({
      ...{ url, log, timers },
      without: 'undoing goes on from PostgreSQL',
      createChannel: connection => connection.createConfirmChannel(),
      prepare: async channel => {
        this.#deadCount = await declare(channel)
        await channel.prefetch(1)
      },
      onOpen: () => this.#applyConsuming(),
      onLost: () => {
        this.#consumerTag = undefined
      },
    })
    this.#stopLooking = timers.every(LOOK_AT_DEAD_EVERY_MS, () => void this.#lookAtDead())
  }

  /** Whether a message that is published now finds its way. */
  get isConnected(): boolean {
    return this.#link.channel !== undefined
  }

  /** Why no message comes or goes, or which did not serve; undefined where there is nothing to do. */
  get problem(): string | undefined {
    return this.#link.problem ?? deadProblem(this.#deadCount)
  }

  /**
   * Takes messages, one at a time, until told otherwise: only the holder of the lease can use them. Never rejects, and
   * resolves late where the broker does not answer.
   */
  async consume(isWanted: boolean): Promise<void> {
    this.#isConsuming = isWanted
    await this.#applyConsuming().catch((error: unknown) => this.#link.drop(messageOf(error)))
  }

  /** Never rejects. @returns whether the broker has confirmed the message. */
  async publish(changeId: string, pauseSeconds?: (typeof WAIT_SECONDS)[number]): Promise<boolean> {
    const { channel } = this.#link
    if (!channel) return false
    const queue = pauseSeconds === undefined ? UNDO_QUEUE : waitQueue(pauseSeconds)
    try {
      await this.#parts.fault('undo.publish.before')
      await confirmed(channel, queue, changeId, this.#parts.timers)
      await this.#parts.fault('undo.publish.after')
      return true
    } catch (error) {
      this.#link.drop(messageOf(error))
      return false
    }
  }

  close(): Promise<void> {
    this.#stopLooking()
    return this.#link.close()
  }

  async #lookAtDead(): Promise<void> {
    try {
      const found = await this.#link.channel?.checkQueue(DEAD_QUEUE)
      if (found) this.#deadCount = found.messageCount
    } catch {
      // The queue was deleted, or the broker is gone: the link hears of it by itself.
    }
  }

  /** One after the other: two at once would begin two consumers, of which one is never ended. */
  #applyConsuming(): Promise<void> {
    const applied = this.#applying.then(() => this.#consumeOrCancel())
    this.#applying = applied.catch(() => {})
    return applied
  }

  async #consumeOrCancel(): Promise<void> {
    const { channel } = this.#link
    if (!channel) return
    if (this.#isConsuming && this.#consumerTag === undefined) {
      const { consumerTag } = await channel.consume(UNDO_QUEUE, message => void this.#take(channel, message))
      if (channel === this.#link.channel) this.#consumerTag = consumerTag
    } else if (!this.#isConsuming && this.#consumerTag !== undefined) {
      const tag = this.#consumerTag
      this.#consumerTag = undefined
      await channel.cancel(tag)
    }
  }

  /** @returns whether the message has served, or never will. */
  async #hint(changeId: string): Promise<boolean> {
    if (!isUuid(changeId)) {
      this.#parts.log.warn({ queue: UNDO_QUEUE }, 'dropped a message that names no change')
      return true
    }
    return this.#parts.onHint(changeId).then(
      () => true,
      () => false,
    )
  }

  async #take(channel: ConfirmChannel, message: ConsumeMessage | null): Promise<void> {
    // The broker has ended the consumer, for instance because the queue was deleted.
    if (!message) return this.#link.drop('the queue is gone')
    const changeId = message.content.toString()
    const isDone = await this.#hint(changeId)
    try {
      if (isDone) channel.ack(message)
      else channel.nack(message)
    } catch {
      // The channel is gone: the message comes again.
    }
  }
}

const waitQueue = (seconds: number): string => `${UNDO_QUEUE}.wait.${seconds}s`

const deadProblem = (count: number): string | undefined =>
  count === 0
    ? undefined
    : `${count} ${count === 1 ? 'message' : 'messages'} in ${DEAD_QUEUE}: managers ended ${DELIVERY_LIMIT} times while they undid the change that is named; undoing goes on from PostgreSQL. See the log, then purge the queue`

/** Declares the queues; what stands already stays as it is. @returns how many messages have not served */
async function declare(channel: ConfirmChannel): Promise<number> {
  const quorum = { 'x-queue-type': 'quorum' }
  await channel.assertExchange(EXCHANGE, 'direct', { durable: true })
  const { messageCount } = await channel.assertQueue(DEAD_QUEUE, { durable: true, arguments: quorum })
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
  return messageCount
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
