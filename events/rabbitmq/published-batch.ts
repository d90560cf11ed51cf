import type { ConfirmChannel } from 'amqplib'
import type { SinkRecord } from '../sink.ts'
import { EXCHANGE } from './topology.ts'

const WATCH_MS = 250

export interface BatchOptions {
  readonly confirmTimeoutMs: number
  readonly isBlocked: () => boolean
  readonly onConfirmed: (record: SinkRecord) => void
  /** How long the batch goes on after `signal`. */
  readonly stopTimeoutMs: number
  readonly signal: AbortSignal
}

interface Returned {
  readonly properties: { readonly messageId?: string }
}

/**
 * Records on their way to the broker. Done when it has confirmed all of them; fails when it refuses one, when the
 * session ends, when a broker that is not blocked has been silent for too long, and a moment after the relay was told
 * to stop.
 */
export class PublishedBatch {
  readonly done: Promise<void>
  readonly #channel: ConfirmChannel
  readonly #options: BatchOptions
  /** Ids of messages that no queue took. */
  readonly #returned = new Set<string>()
  readonly #watch: NodeJS.Timeout
  #resolve = () => {}
  #reject: (error: Error) => void = () => {}
  #stop: NodeJS.Timeout | undefined
  #waiting: number
  #silentMs = 0
  #isOver = false

  constructor(records: readonly SinkRecord[], channel: ConfirmChannel, options: BatchOptions) {
    this.#channel = channel
    this.#options = options
    this.#waiting = records.length
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#watch = setInterval(() => this.#lookAround(), WATCH_MS)
    channel.on('return', this.#onReturn)
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    try {
      for (const record of records) this.#publish(record)
    } catch (error) {
      this.fail(error as Error)
    }
  }

  fail(error: Error): void {
    if (this.#isOver) return
    this.#end()
    this.#reject(error)
  }

  #publish(record: SinkRecord): void {
    const content = Buffer.from(record.json)
    this.#channel.publish(EXCHANGE, record.type, content, messageOptions(record), error =>
      this.#onConfirm(record, error),
    )
  }

  #onConfirm(record: SinkRecord, error: unknown): void {
    this.#silentMs = 0
    // Returns are heard no more, so later confirms say nothing.
    if (this.#isOver) return
    if (error) this.fail(new Error('RabbitMQ refused a message'))
    // A message that no queue took is returned first, and confirmed then.
    else if (this.#returned.has(record.id)) this.fail(new Error('no queue is bound to the exchange'))
    else this.#confirm(record)
  }

  #confirm(record: SinkRecord): void {
    this.#options.onConfirmed(record)
    this.#waiting -= 1
    if (this.#waiting > 0) return
    this.#end()
    this.#resolve()
  }

  #lookAround(): void {
    const { confirmTimeoutMs, isBlocked } = this.#options
    this.#silentMs = isBlocked() ? 0 : this.#silentMs + WATCH_MS
    if (this.#silentMs >= confirmTimeoutMs)
      this.fail(new Error(`RabbitMQ has not confirmed for ${confirmTimeoutMs} ms`))
  }

  readonly #onReturn = ({ properties }: Returned): void => {
    this.#returned.add(String(properties.messageId))
  }

  readonly #onAbort = (): void => {
    this.#stop = setTimeout(() => this.fail(new Error('the process ends')), this.#options.stopTimeoutMs)
  }

  #end(): void {
    this.#isOver = true
    clearInterval(this.#watch)
    clearTimeout(this.#stop)
    this.#channel.off('return', this.#onReturn)
    this.#options.signal.removeEventListener('abort', this.#onAbort)
  }
}

function messageOptions(record: SinkRecord) {
  return {
    persistent: true,
    mandatory: true,
    messageId: record.id,
    type: record.type,
    appId: 'sluice',
    timestamp: Math.floor(Date.parse(record.time) / 1000),
    contentType: 'application/cloudevents+json',
  }
}
