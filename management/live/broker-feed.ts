import type { Channel } from 'amqplib'
import { EXCHANGE } from '../../events/rabbitmq/topology.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { BrokerLink } from '../broker-link.ts'
import { type LiveEvent, parseEvent } from './live-event.ts'

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
  readonly #link: BrokerLink<Channel>

  constructor({ onEvent, ...parts }: BrokerFeedParts) {
    this.#link = new BrokerLink({
      ...parts,
      without: 'streams of events follow PostgreSQL',
      createChannel: connection => connection.createChannel(),
      prepare: (channel, end) => receive(channel, onEvent, end),
    })
  }

  get isReceiving(): boolean {
    return this.#link.channel !== undefined
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}

async function receive(
  channel: Channel,
  onEvent: (event: LiveEvent) => void,
  end: (reason: unknown) => void,
): Promise<void> {
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
      if (event) onEvent(event)
    },
    { noAck: true },
  )
}
