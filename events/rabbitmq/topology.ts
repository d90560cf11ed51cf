import type { ConfirmChannel } from 'amqplib'

/** Durable topic exchange; the routing key is the type of the event. */
export const EXCHANGE = 'sluice.events'
/** Quorum queue that gets every event. */
export const QUEUE = 'sluice.events.all'
/** What consumers reject, and what they failed to handle so many times. */
export const DEAD_EXCHANGE = 'sluice.events.dead'
export const DEAD_QUEUE = 'sluice.events.dead'
const DELIVERY_LIMIT = 20

/** Declares exchanges, queues and bindings; what stands already stays as it is. */
export async function declareTopology(channel: ConfirmChannel): Promise<void> {
  const quorum = { 'x-queue-type': 'quorum' }
  await channel.assertExchange(DEAD_EXCHANGE, 'fanout', { durable: true })
  await channel.assertQueue(DEAD_QUEUE, { durable: true, arguments: quorum })
  await channel.bindQueue(DEAD_QUEUE, DEAD_EXCHANGE, '')
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true })
  await channel.assertQueue(QUEUE, {
    durable: true,
    arguments: {
      ...quorum,
      'x-dead-letter-exchange': DEAD_EXCHANGE,
      'x-delivery-limit': DELIVERY_LIMIT,
    },
  })
  await channel.bindQueue(QUEUE, EXCHANGE, '#')
}
