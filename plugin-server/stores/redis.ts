import { createHash } from 'node:crypto'
import calculateSlot from 'cluster-key-slot'
import { Cluster, type Redis } from 'ioredis'
import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { BoundCounter, BoundGauge, BoundHistogram, Metrics } from '../../foundation/metrics.ts'
import type { ScriptReply, Store, StoredValue, StoreScript } from '../../sdk/store.ts'
import { Availability } from './availability.ts'
import { type Connection, connect } from './connection.ts'

export interface RedisStoreOptions {
  /** One for a single Redis, several for a Redis Cluster. */
  readonly urls: readonly string[]
  /** How long a call may wait, milliseconds. */
  readonly deadlineMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

const RESTART_MS = 500
const SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]

/**
 * State that all nodes share, in Redis or Redis Cluster.
 *
 * A call waits for its deadline at most. The first one that is late, or that Redis refuses for a reason of its own,
 * opens the breaker of its server; later calls then fail without waiting until a probe has been answered in time.
 */
export class RedisStore implements Store {
  readonly kind = 'redis'
  readonly #options: RedisStoreOptions
  readonly #connection: Connection
  readonly #servers = new Map<string, Availability>()
  readonly #listeners = new Set<(available: boolean) => void>()
  readonly #digests = new Map<string, string>()
  readonly #watchers = new Map<string, Set<(message: string) => void>>()
  readonly #calls: Readonly<Record<'ok' | 'late' | 'refused' | 'not_tried', BoundCounter>>
  readonly #seconds: BoundHistogram
  readonly #up: BoundGauge
  #subscriber: Connection | undefined
  #connected = false
  #down = 0
  #closed = false

  constructor(options: RedisStoreOptions) {
    this.#options = options
    const { metrics } = options
    const calls = metrics.counter('sluice_store_calls_total', 'calls to Redis', ['outcome'])
    this.#calls = {
      ok: calls.with({ outcome: 'ok' }),
      late: calls.with({ outcome: 'late' }),
      refused: calls.with({ outcome: 'refused' }),
      not_tried: calls.with({ outcome: 'not_tried' }),
    }
    this.#seconds = metrics
      .histogram('sluice_store_call_seconds', 'time that Redis took to answer', SECONDS)
      .with({})
    this.#up = metrics.gauge('sluice_store_available_state', '1 while all of Redis answers in time').with({})
    this.#connection = connect(options.urls, options.deadlineMs, 'state')
    this.#connection.on('error', error => options.log.debug({ reason: messageOf(error) }, 'redis connection'))
    this.#connection.on('ready', () => this.#whenReady())
    this.#connection.on('close', () => this.#whenClosed())
    this.#connection.on('end', () => this.#begin(this.#connection))
  }

  get available(): boolean {
    return this.#connected && this.#down === 0
  }

  canReach(key: string): boolean {
    return this.#connected && this.#serverOf(key).up
  }

  run<Result, Args>(script: StoreScript<Result, Args>, key: string, args: Args): Promise<Result> {
    const list = script.encode ? script.encode(args) : (args as readonly StoredValue[])
    return this.#call(key, script.name, () => this.#evaluate(script.lua, key, list)).then(reply =>
      script.decode(reply as ScriptReply),
    )
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#call(channel, 'publish', () => this.#connection.publish(channel, message))
  }

  watch(channel: string, hear: (message: string) => void): () => void {
    const watchers = this.#watchers.get(channel) ?? new Set()
    this.#watchers.set(channel, watchers.add(hear))
    if (watchers.size === 1) this.#subscribe(channel)
    return () => {
      watchers.delete(hear)
      if (watchers.size > 0 || !this.#watchers.delete(channel)) return
      this.#subscriber?.unsubscribe(channel).catch(() => {})
    }
  }

  onAvailability(hear: (available: boolean) => void): () => void {
    this.#listeners.add(hear)
    return () => this.#listeners.delete(hear)
  }

  ready(withinMs: number): Promise<boolean> {
    if (this.available) return Promise.resolve(true)
    return new Promise(resolve => {
      const timer = setTimeout(() => settle(false), withinMs)
      const stop = this.onAvailability(available => available && settle(true))
      const settle = (available: boolean) => {
        clearTimeout(timer)
        stop()
        resolve(available)
      }
    })
  }

  async *keys(prefix: string): AsyncIterable<string> {
    const match = `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`
    const servers =
      this.#connection instanceof Cluster ? this.#connection.nodes('master') : [this.#connection]
    for (const server of servers)
      for await (const batch of server.scanStream({ match, count: 500 })) yield* batch as string[]
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const server of this.#servers.values()) server.close()
    this.#listeners.clear()
    this.#watchers.clear()
    this.#connection.disconnect()
    this.#subscriber?.disconnect()
  }

  /** Sends one command under the deadline and the breaker of the server that holds the key. */
  #call<Reply>(key: string, what: string, send: () => Promise<Reply>): Promise<Reply> {
    const server = this.#serverOf(key)
    if (!this.#connected || !server.up) {
      this.#calls.not_tried.add()
      return Promise.reject(
        unavailable(what, this.#connected ? 'it did not answer the last probe' : 'no connection'),
      )
    }
    const { clock, deadlineMs } = this.#options
    const startedMs = clock.monotonic()
    return new Promise((resolve, reject) => {
      let settled = false
      const late = () => {
        if (settled) return
        settled = true
        this.#calls.late.add()
        server.fail(`${what} took longer than ${deadlineMs} ms`)
        reject(
          new SluiceError('SLUICE_STORE_TIMEOUT', `Redis did not answer ${what} within ${deadlineMs} ms`),
        )
      }
      // One more turn of the event loop: after a stall of this process the answer may lie in the socket already.
      const timer = setTimeout(() => setImmediate(late), deadlineMs)
      send().then(
        reply => {
          clearTimeout(timer)
          if (settled) return
          settled = true
          this.#calls.ok.add()
          this.#seconds.observe((clock.monotonic() - startedMs) / 1000)
          resolve(reply)
        },
        (error: unknown) => {
          clearTimeout(timer)
          if (settled) return
          settled = true
          this.#calls.refused.add()
          if (isFailureOfServer(error)) server.fail(messageOf(error))
          reject(unavailable(what, messageOf(error), error))
        },
      )
    })
  }

  #evaluate(lua: string, key: string, args: readonly StoredValue[]): Promise<unknown> {
    let digest = this.#digests.get(lua)
    if (digest === undefined) {
      digest = createHash('sha1').update(lua).digest('hex')
      this.#digests.set(lua, digest)
    }
    this.#gather()
    return this.#connection.evalsha(digest, 1, key, ...args).catch(error => {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return this.#connection.eval(lua, 1, key, ...args)
    })
  }

  /**
   * What is sent in one turn of the event loop goes out in one write. Measured against a write for each call and
   * against ioredis' own pipelining, which lets a batch wait for the answers to the one before.
   */
  #gather(): void {
    if (this.#connection instanceof Cluster) return
    const { stream } = this.#connection
    if (!stream || stream.writableCorked > 0) return
    stream.cork()
    setImmediate(() => stream.uncork())
  }

  /** The breaker of the server that holds the key: one for all of a single Redis, one a master of a cluster. */
  #serverOf(key: string): Availability {
    let name = 'redis'
    if (this.#connection instanceof Cluster)
      name = this.#connection.slots[calculateSlot(key)]?.[0] ?? 'no master'
    const known = this.#servers.get(name)
    if (known) return known
    const server = new Availability(true, {
      probe: () => this.#probe(key),
      onChange: (available, reason) => this.#whenChanged(name, available, reason),
    })
    this.#servers.set(name, server)
    return server
  }

  /** A write, since a server that is full, read-only or still loading answers PING all the same. */
  #probe(key: string): Promise<unknown> {
    const probeKey = `{${key.match(/\{(.+?)\}/)?.[1] ?? key}}:probe`
    const answer = this.#connection.set(probeKey, '1', 'PX', 10_000)
    const { deadlineMs } = this.#options
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new SluiceError('SLUICE_STORE_TIMEOUT', 'Redis did not answer a probe in time'))
      const timer = setTimeout(() => setImmediate(late), deadlineMs)
      answer.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  #whenReady(): void {
    if (this.#closed) return
    const before = this.available
    this.#connected = true
    for (const server of this.#servers.values()) server.hint()
    this.#announce(before)
  }

  #whenClosed(): void {
    if (this.#connection instanceof Cluster && this.#connection.status === 'ready') return
    const before = this.available
    this.#connected = false
    if (before && !this.#closed) this.#options.log.warn('the connection to Redis is lost')
    this.#announce(before)
  }

  #whenChanged(name: string, available: boolean, reason: string): void {
    const before = this.#connected && this.#down === 0
    this.#down += available ? -1 : 1
    if (available) this.#options.log.info({ server: name }, 'Redis answers again')
    else this.#options.log.warn({ server: name, reason }, 'Redis is taken for away')
    this.#announce(before)
  }

  #announce(before: boolean): void {
    const now = this.available
    this.#up.set(now ? 1 : 0)
    if (now !== before) for (const hear of this.#listeners) hear(now)
  }

  /** A client that has given up connecting, for whatever reason, begins anew. */
  #begin(connection: Connection): void {
    if (this.#closed) return
    const again = () => {
      if (!this.#closed && connection.status === 'end') connection.connect().catch(() => {})
    }
    setTimeout(again, RESTART_MS).unref()
  }

  #subscribe(channel: string): void {
    this.#subscriber ??= this.#connectSubscriber()
    // Refused while there is no connection yet: 'ready' subscribes to everything again.
    this.#subscriber.subscribe(channel).catch(() => {})
  }

  #connectSubscriber(): Connection {
    const subscriber = connect(this.#options.urls, this.#options.deadlineMs, 'watch')
    subscriber.on('error', error =>
      this.#options.log.debug({ reason: messageOf(error) }, 'redis subscription'),
    )
    subscriber.on('ready', () => {
      for (const channel of this.#watchers.keys()) subscriber.subscribe(channel).catch(() => {})
    })
    subscriber.on('end', () => this.#begin(subscriber))
    ;(subscriber as Redis).on('message', (channel: string, message: string) => {
      for (const hear of this.#watchers.get(channel) ?? []) hear(message)
    })
    return subscriber
  }
}

function unavailable(what: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_STORE_UNAVAILABLE', `${what} could not be run in Redis: ${reason}`, {
    cause,
  })
}

/** Refusals that say that the server cannot serve now; any other one is the fault of the call alone. */
const SERVER_REFUSALS =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|OOM|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM|BUSY|TRYAGAIN)\b/

function isFailureOfServer(error: unknown): boolean {
  const isReply = error instanceof Error && error.name === 'ReplyError'
  return !isReply || SERVER_REFUSALS.test(messageOf(error))
}
