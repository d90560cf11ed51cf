import { connect } from 'amqplib'
import pg from 'pg'
import type { UpState } from './state.ts'

/** Of the gateway, and of the sample services. */
const QUEUES = ['sluice.events.all', 'sample.events.all']
const SHOWN = 8

/** Shows the latest events in PostgreSQL, and how many wait on RabbitMQ's queues, with the first of them. */
export async function printEvents(urls: UpState['urls'], print: (line: string) => void): Promise<void> {
  if (urls.postgres) await printRows(urls.postgres, print)
  else print('PostgreSQL is missing: the events wait in the spool')
  if (urls.rabbit) for (const queue of QUEUES) await printMessages(urls.rabbit, queue, print)
  else print('RabbitMQ is missing: the events wait in the spool')
}

async function printRows(url: string, print: (line: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows: counts } = await client.query<{ type: string; count: string }>(
      'SELECT type, count(*) FROM gateway_events GROUP BY type ORDER BY type',
    )
    print('PostgreSQL, table gateway_events:')
    for (const { type, count } of counts) print(`  ${count.padStart(6)} ${type}`)
    const { rows } = await client.query<{ time: Date; type: string; data: unknown }>(
      'SELECT time, type, data FROM gateway_events ORDER BY time DESC LIMIT $1',
      [SHOWN],
    )
    for (const { time, type, data } of rows)
      print(`  ${time.toISOString()} ${type} ${JSON.stringify(data).slice(0, 160)}`)
  } finally {
    await client.end()
  }
}

async function printMessages(url: string, queue: string, print: (line: string) => void): Promise<void> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    // A queue that is not there ends the channel: the samples may have been left out.
    channel.on('error', () => {})
    const found = await channel.checkQueue(queue).catch(() => undefined)
    if (!found) return print(`RabbitMQ has no queue ${queue}`)
    const { messageCount } = found
    print(`RabbitMQ, queue ${queue}: ${messageCount} messages wait, the first of them:`)
    for (let shown = 0; shown < SHOWN; shown++) {
      // Not acknowledged: they go back to the queue when the connection closes.
      const message = await channel.get(queue)
      if (!message) break
      print(`  ${message.fields.routingKey} ${message.properties.messageId}`)
    }
  } finally {
    await connection.close()
  }
}
