import { type ConsumeMessage, connect } from 'amqplib'

/** Takes all that is on a queue now. */
export async function drainQueue(url: string, queue: string): Promise<ConsumeMessage[]> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    const { messageCount } = await channel.checkQueue(queue)
    const found: ConsumeMessage[] = []
    if (messageCount === 0) return found
    await new Promise<void>((resolve, reject) => {
      const take = (message: ConsumeMessage | null) => {
        if (message === null) return reject(new Error(`the queue ${queue} is gone`))
        found.push(message)
        if (found.length === messageCount) resolve()
      }
      channel.consume(queue, take, { noAck: true }).catch(reject)
    })
    return found
  } finally {
    await connection.close()
  }
}
