import { createHash } from 'node:crypto'
import calculateSlot from 'cluster-key-slot'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { StoredBytes, StoredValue } from '../../sdk/store.ts'
import { type Connection, connect, disconnect, keepConnecting } from './connection.ts'
import { Cluster } from './ioredis.ts'
import { problemOf } from './problem.ts'
import { readRedisUrls } from './redis-url.ts'

/** What happened to the link: it can be used, it was lost, it could not be made. */
export type LinkChange = 'connected' | 'lost' | 'refused'

/** Of all keys at one moment, so that a value and its time belong together. */
const READ_BYTES = `local reply = {}
for index, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  reply[2 * index - 1] = value
  reply[2 * index] = value and redis.call('PTTL', key) or 0
end
return reply`

/** The connection over which scripts run, as long as it lives. */
export class Link {
  readonly connection: Connection
  readonly #log: Logger
  readonly #digests = new Map<string, string>()
  readonly #listeners = new Set<(change: LinkChange) => void>()
  readonly #db: number
  #isConnected = false
  #isTrying = true
  #problem: string | undefined
  #closed = false

  /** @param deadlineMs the longest that a call waits. */
  constructor(urls: readonly string[], deadlineMs: number, log: Logger) {
    this.#log = log
    this.#db = readRedisUrls(urls).db
    this.connection = connect(urls, deadlineMs, 'state')
    this.connection.on('error', error => this.#whenFailed(error))
    this.connection.on('ready', () => void this.#whenReady())
    this.connection.on('close', () => this.#whenClosed())
    keepConnecting(this.connection, () => this.#closed)
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** There is no connection, and the first attempt to make one has not failed yet: at a start, and after a loss. */
  get isTrying(): boolean {
    return this.#isTrying
  }

  /** Why there is no connection, in one sentence; undefined while there is one, and while nothing is known yet. */
  get problem(): string | undefined {
    return this.#isConnected ? undefined : this.#problem
  }

  onChange(hear: (change: LinkChange) => void): () => void {
    this.#listeners.add(hear)
    return () => this.#listeners.delete(hear)
  }

  /** Kept at the next connection; rejected when the attempt that is under way fails. */
  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.onChange(change => {
        stop()
        if (change === 'connected') resolve()
        else reject(new Error('no connection'))
      })
    })
  }

  /** Runs a script, bringing it to Redis where Redis does not know it. */
  evaluate(lua: string, key: string, args: readonly StoredValue[]): Promise<unknown> {
    const digest = this.#digestOf(lua)
    this.#gather()
    return this.connection.evalsha(digest, 1, key, ...args).catch(error => {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return this.connection.eval(lua, 1, key, ...args)
    })
  }

  /** The values of keys of one slot, with the time that is left to them. */
  async readBytes(keys: readonly string[]): Promise<(StoredBytes | undefined)[]> {
    this.#gather()
    const count = keys.length
    const { connection } = this
    // By its name: the client has no typed call that gives bytes.
    const answer = await connection
      .callBuffer('EVALSHA', this.#digestOf(READ_BYTES), count, ...keys)
      .catch((error: unknown) => {
        if (!messageOf(error).startsWith('NOSCRIPT')) throw error
        return connection.callBuffer('EVAL', READ_BYTES, count, ...keys)
      })
    const reply = answer as (Buffer | number | null)[]
    return keys.map((_, index) => {
      const [bytes, expiresInMs] = reply.slice(index * 2)
      return bytes instanceof Buffer ? { bytes, expiresInMs: Number(expiresInMs) } : undefined
    })
  }

  async writeBytes(key: string, bytes: Uint8Array, expireInMs: number): Promise<void> {
    this.#gather()
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    await this.connection.set(key, value, 'PX', Math.max(1, Math.ceil(expireInMs)))
  }

  /** A name of the server that holds the key: one for all of a single Redis, one a master of a cluster. */
  serverOf(key: string): string {
    if (!(this.connection instanceof Cluster)) return 'redis'
    return this.connection.slots[calculateSlot(key)]?.[0] ?? 'no master'
  }

  async *keys(prefix: string): AsyncIterable<string> {
    const match = `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`
    const servers = this.connection instanceof Cluster ? this.connection.nodes('master') : [this.connection]
    for (const server of servers)
      for await (const batch of server.scanStream({ match, count: 500 })) yield* batch as string[]
  }

  close(): void {
    this.#closed = true
    this.#listeners.clear()
    disconnect(this.connection)
  }

  #digestOf(lua: string): string {
    let digest = this.#digests.get(lua)
    if (digest === undefined) {
      digest = createHash('sha1').update(lua).digest('hex')
      this.#digests.set(lua, digest)
    }
    return digest
  }

  /**
   * What is sent in one turn of the event loop goes out in one write. Measured against a write for each call and
   * against ioredis' own pipelining, which lets a batch wait for the answers to the one before.
   */
  #gather(): void {
    if (this.connection instanceof Cluster) return
    const { stream } = this.connection
    if (!stream || stream.writableCorked > 0) return
    stream.cork()
    setImmediate(() => stream.uncork())
  }

  async #whenReady(): Promise<void> {
    if (!(await this.#isRightDatabase()) || this.#closed) return
    this.#isConnected = true
    this.#isTrying = false
    if (this.#problem !== undefined) this.#log.info('connected to Redis')
    this.#problem = undefined
    this.#announce('connected')
  }

  /** ioredis swallows a refused SELECT, and goes on in database 0. */
  async #isRightDatabase(): Promise<boolean> {
    const { connection } = this
    if (this.#db === 0 || connection instanceof Cluster) return true
    try {
      await connection.select(this.#db)
      return true
    } catch (error) {
      this.#whenFailed(error)
      connection.disconnect(true)
      return false
    }
  }

  /** Each reason is told once, however often it is tried again. */
  #whenFailed(error: unknown): void {
    const problem = problemOf(error, this.#db)
    if (this.#closed || this.#isConnected || problem === this.#problem) return
    this.#problem = problem
    this.#log.error({ reason: problem }, 'Redis unavailable')
  }

  #whenClosed(): void {
    if (this.connection instanceof Cluster && this.connection.status === 'ready') return
    if (this.#closed) return
    const isLost = this.#isConnected
    this.#isConnected = false
    this.#isTrying = isLost
    if (isLost) this.#log.warn('the connection to Redis is lost')
    this.#announce(isLost ? 'lost' : 'refused')
  }

  #announce(change: LinkChange): void {
    for (const hear of [...this.#listeners]) hear(change)
  }
}
