import type { ChannelModel, ConfirmChannel } from 'amqplib'
import type { Logger } from '../../foundation/log.ts'
import type { SinkRecord } from '../sink.ts'
import { connectBroker, destroyConnection } from './connection.ts'
import { PublishedBatch } from './published-batch.ts'
import { declareTopology } from './topology.ts'

const CONNECT_TIMEOUT_MS = 5_000
const CLOSE_TIMEOUT_MS = 2_000

export interface SessionOptions {
  readonly url: string
  readonly log: Logger
  /** How long a broker that does not block publishers may take to confirm a batch. */
  readonly confirmTimeoutMs: number
  /** Called for each record that the broker has confirmed, also where its batch fails later. */
  readonly onConfirmed: (record: SinkRecord) => void
}

/**
 * A connection with its one channel. The client library restores neither channels nor topology, so after any failure
 * the session is over, and a new one is opened.
 */
export class RabbitSession {
  readonly #connection: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #options: SessionOptions
  /** By a memory or disk alarm: the broker reads nothing from publishers until it is over. */
  #blocked = false
  #ended: Error | undefined
  #batch: PublishedBatch | undefined

  private constructor(connection: ChannelModel, channel: ConfirmChannel, options: SessionOptions) {
    this.#connection = connection
    this.#channel = channel
    this.#options = options
    connection.on('blocked', (reason: string) => {
      this.#blocked = true
      options.log.warn({ reason }, 'RabbitMQ blocks publishers')
    })
    connection.on('unblocked', () => {
      this.#blocked = false
      options.log.info('RabbitMQ accepts messages again')
    })
    const end = (error: Error) => {
      this.#ended ??= error
      this.#batch?.fail(error)
    }
    connection.on('error', end)
    connection.on('close', () => end(new Error('the connection was closed')))
    channel.on('error', end)
    channel.on('close', () => end(new Error('the channel was closed')))
  }

  static async open(options: SessionOptions): Promise<RabbitSession> {
    const connection = await connectBroker(options.url, CONNECT_TIMEOUT_MS)
    let failed: Error | undefined
    connection.on('error', error => {
      failed = error as Error
    })
    try {
      const channel = await within(CONNECT_TIMEOUT_MS, connection.createConfirmChannel())
      channel.on('error', error => {
        failed = error as Error
      })
      await within(CONNECT_TIMEOUT_MS, declareTopology(channel))
      if (failed) throw failed
      return new RabbitSession(connection, channel, options)
    } catch (error) {
      destroyConnection(connection)
      throw error
    }
  }

  /** Whether the connection or the channel is gone. */
  get isOver(): boolean {
    return this.#ended !== undefined
  }

  /** Resolves once the broker has confirmed all of them; rejects, and the session is not to be used again. */
  async publish(records: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    const batch = new PublishedBatch(records, this.#channel, {
      confirmTimeoutMs: this.#options.confirmTimeoutMs,
      isBlocked: () => this.#blocked,
      onConfirmed: this.#options.onConfirmed,
      stopTimeoutMs: CLOSE_TIMEOUT_MS,
      signal,
    })
    this.#batch = batch
    try {
      await batch.done
    } finally {
      this.#batch = undefined
    }
  }

  async close(): Promise<void> {
    await within(CLOSE_TIMEOUT_MS, this.#connection.close()).catch(() => this.destroy())
  }

  destroy(): void {
    destroyConnection(this.#connection)
  }
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
