import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { Logger } from '../../foundation/log.ts'
import type { Sink, SinkRecord } from '../sink.ts'
import { splitAmqpUrl } from './tls.ts'
import { declareTopology, EXCHANGE } from './topology.ts'

export interface RabbitSinkOptions {
  /** `amqps://user:password@host/vhost?cacertfile=…` */
  readonly url: string
  readonly log: Logger
  /** How long a broker that does not block publishers may take to confirm a batch; 15,000 where left out. */
  readonly confirmTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 5_000
const CLOSE_TIMEOUT_MS = 2_000
const WATCH_MS = 250

/** A connection with its one channel. */
interface Session {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  readonly state: SessionState
}

interface SessionState {
  /** By a memory or disk alarm: the broker reads nothing from publishers until it is over. */
  blocked: boolean
  /** Why the connection or the channel is gone. */
  ended?: Error
  /** Rejects the batch under way. */
  fail?: (error: Error) => void
}

/**
 * Publishes events to the exchange `sluice.events` and counts them as safe once the broker has confirmed them. No
 * more than one batch is unconfirmed. The client library restores neither channels nor topology, so after any
 * failure a new connection is made. A record that a broker confirmed before its batch failed is not sent again.
 */
export function createRabbitSink(options: RabbitSinkOptions): Sink {
  const confirmTimeoutMs = options.confirmTimeoutMs ?? 15_000
  const confirmed = new WeakSet<SinkRecord>()
  let session: Session | undefined

  async function open(): Promise<Session> {
    if (session && !session.state.ended) return session
    if (session) drop(session)
    const { url, tls } = splitAmqpUrl(options.url)
    const connection = await connect(url, {
      timeout: CONNECT_TIMEOUT_MS,
      noDelay: true,
      ...tls,
      clientProperties: { connection_name: 'sluice' },
    })
    const state: SessionState = { blocked: false }
    const end = (error: Error) => {
      state.ended ??= error
      state.fail?.(error)
    }
    connection.on('error', end)
    connection.on('close', () => end(new Error('the connection was closed')))
    connection.on('blocked', (reason: string) => {
      state.blocked = true
      options.log.warn({ reason }, 'RabbitMQ takes no messages for now')
    })
    connection.on('unblocked', () => {
      state.blocked = false
      options.log.info('RabbitMQ takes messages again')
    })
    try {
      const channel = await within(CONNECT_TIMEOUT_MS, connection.createConfirmChannel())
      channel.on('error', end)
      channel.on('close', () => end(new Error('the channel was closed')))
      await within(CONNECT_TIMEOUT_MS, declareTopology(channel))
      session = { connection, channel, state }
      return session
    } catch (error) {
      destroy(connection)
      throw error
    }
  }

  function drop(broken: Session): void {
    if (session === broken) session = undefined
    destroy(broken.connection)
  }

  /**
   * Kept when the broker has confirmed all of them; rejected when it refuses one, when the session ends, when a
   * broker that is not blocked has been silent for too long, and a moment after the relay was told to stop.
   */
  function publish(to: Session, records: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    const { channel, state } = to
    return new Promise((resolve, reject) => {
      let waiting = records.length
      let over = false
      let silentMs = 0
      let stop: NodeJS.Timeout | undefined
      const returned = new Set<string>()

      const finish = (error?: Error) => {
        over = true
        clearInterval(watch)
        clearTimeout(stop)
        channel.off('return', onReturn)
        signal.removeEventListener('abort', onAbort)
        delete state.fail
        if (error) reject(error)
        else resolve()
      }
      const onReturn = (message: { properties: { messageId?: string } }) =>
        returned.add(String(message.properties.messageId))
      const onAbort = () => {
        stop = setTimeout(() => finish(new Error('the process ends')), CLOSE_TIMEOUT_MS)
      }
      const watch = setInterval(() => {
        silentMs = state.blocked ? 0 : silentMs + WATCH_MS
        if (silentMs >= confirmTimeoutMs)
          finish(new Error(`RabbitMQ has not confirmed for ${confirmTimeoutMs} ms`))
      }, WATCH_MS)
      const onConfirm = (record: SinkRecord, error: unknown) => {
        silentMs = 0
        // Returns are heard no more, so later confirms say nothing.
        if (over) return
        if (error) return finish(new Error('RabbitMQ refused a message'))
        // A message that no queue took is returned first, and confirmed then.
        if (returned.has(record.id)) return finish(new Error('no queue is bound to the exchange'))
        confirmed.add(record)
        if (--waiting === 0) finish()
      }

      state.fail = finish
      channel.on('return', onReturn)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        for (const record of records) {
          const content = Buffer.from(record.json)
          channel.publish(EXCHANGE, record.type, content, messageOptions(record), error =>
            onConfirm(record, error),
          )
        }
      } catch (error) {
        finish(error as Error)
      }
    })
  }

  return {
    name: 'rabbitmq',
    async store(records, signal) {
      const to = await open()
      const rest = records.filter(record => !confirmed.has(record))
      if (rest.length === 0) return { refused: 0 }
      try {
        await publish(to, rest, signal)
        return { refused: 0 }
      } catch (error) {
        drop(to)
        throw error
      }
    },
    async close() {
      const last = session
      session = undefined
      if (!last) return
      await within(CLOSE_TIMEOUT_MS, last.connection.close()).catch(() => destroy(last.connection))
    },
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

/** Closes the socket without asking the broker, which may be frozen. */
function destroy(connection: ChannelModel): void {
  const { stream } = connection.connection as unknown as { stream: { destroy(error: Error): void } }
  connection.on('error', () => {})
  // With an error, since the library stops its heartbeats only then.
  stream.destroy(new Error('the connection was given up'))
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
