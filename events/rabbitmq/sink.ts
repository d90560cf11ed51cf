import type { Logger } from '../../foundation/log.ts'
import type { Sink, SinkRecord } from '../sink.ts'
import { RabbitSession } from './session.ts'

export interface RabbitSinkOptions {
  /** `amqps://user:password@host/vhost?cacertfile=…` */
  readonly url: string
  readonly log: Logger
  /** How long a broker that does not block publishers may take to confirm a batch; 15,000 where left out. */
  readonly confirmTimeoutMs?: number
}

/**
 * Publishes events to the exchange `sluice.events` and counts them as safe once the broker has confirmed them. No
 * more than one batch is unconfirmed. A record that a broker confirmed before its batch failed is not sent again.
 */
export function createRabbitSink({ url, log, confirmTimeoutMs = 15_000 }: RabbitSinkOptions): Sink {
  const confirmed = new WeakSet<SinkRecord>()
  const onConfirmed = (record: SinkRecord) => void confirmed.add(record)
  let session: RabbitSession | undefined

  async function open(): Promise<RabbitSession> {
    if (session && !session.isOver) return session
    session?.destroy()
    session = undefined
    session = await RabbitSession.open({ url, log, confirmTimeoutMs, onConfirmed })
    return session
  }

  return {
    name: 'rabbitmq',
    async store(records, signal) {
      const to = await open()
      signal.throwIfAborted()
      const rest = records.filter(record => !confirmed.has(record))
      if (rest.length === 0) return { refused: 0 }
      try {
        await to.publish(rest, signal)
        return { refused: 0 }
      } catch (error) {
        if (session === to) session = undefined
        to.destroy()
        throw error
      }
    },
    async close() {
      const last = session
      session = undefined
      await last?.close()
    },
  }
}
