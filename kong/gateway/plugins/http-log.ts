import { setTimeout as pause } from 'node:timers/promises'
import { request } from '../../../foundation/undici.ts'
import { logEntry } from '../proxy/log-entry.ts'
import { definePlugin } from './builtin.ts'
import { warnOfLua } from './custom-fields.ts'
import { LogQueue, type QueueConfig } from './log-queue.ts'

interface Config {
  readonly http_endpoint: string
  readonly method: 'POST' | 'PUT' | 'PATCH'
  readonly content_type: string
  /** Milliseconds. */
  readonly timeout: number
  readonly keepalive: number
  readonly headers: Readonly<Record<string, string>> | null
  readonly queue: QueueConfig & { readonly concurrency_limit: number }
  readonly custom_fields_by_lua: Readonly<Record<string, string>> | null
}

export const httpLog = definePlugin<Config>({
  name: 'http-log',
  priority: 12,
  start({ logger, now }) {
    const queues = new Map<string, LogQueue>()
    const queueOf = (config: Config): LogQueue => {
      const { http_endpoint, method, content_type, timeout, keepalive } = config
      // As in Kong, configurations for the same server share a queue.
      const name = [http_endpoint, method, content_type, timeout, keepalive].join(':')
      const known = queues.get(name)
      if (known) return known
      const queue = new LogQueue(config.queue, {
        ...{ name: new URL(http_endpoint).host, sleep, now, logger },
        send: batch => send(config, batch),
      })
      queues.set(name, queue)
      return queue
    }
    return {
      configure(config) {
        warnOfLua('http-log', config.custom_fields_by_lua, logger)
        return {
          log(exchange) {
            queueOf(config).push(JSON.stringify(logEntry(exchange)), config.queue)
          },
        }
      },
      async close() {
        await Promise.all([...queues.values()].map(queue => queue.close()))
      },
    }
  },
})

/** @throws Error for an answer of 300 and above */
async function send(config: Config, batch: readonly string[]): Promise<void> {
  const { http_endpoint, method, content_type, timeout, headers, queue } = config
  const url = new URL(http_endpoint)
  const { username, password } = url
  url.username = ''
  url.password = ''
  const userinfo = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const { statusCode, body } = await request(url, {
    method,
    headers: {
      ...headers,
      'Content-Type': content_type,
      ...(username !== '' && { Authorization: `Basic ${Buffer.from(userinfo).toString('base64')}` }),
    },
    body: queue.max_batch_size === 1 ? batch.join('') : `[${batch.join(',')}]`,
    headersTimeout: timeout,
    bodyTimeout: timeout,
  })
  await body.dump()
  if (statusCode >= 300) throw new Error(`the log server answered ${statusCode}`)
}

/** Ends early, without an error, when the signal says so. */
const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal, ref: false }).catch(() => {})
