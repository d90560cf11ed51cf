import { type Dispatcher, Pool } from '../../../foundation/undici.ts'

/** Kong's `upstream_keepalive_idle_timeout`. */
const IDLE_MS = 60_000
/** Kong's `upstream_keepalive_max_requests`. */
const MAX_REQUESTS = 10_000

export interface PoolKey {
  readonly scheme: string
  readonly ip: string
  readonly port: number
  readonly connectTimeoutMs: number
  /** Name for TLS; Kong does not check certificates unless it is told to. */
  readonly serverName: string
}

/** Keep-alive connections to the upstreams, one pool for each address. */
export class UpstreamPools {
  readonly #pools = new Map<string, { readonly pool: Pool; usedMs: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get(key: PoolKey): Dispatcher {
    const { scheme, ip, port, connectTimeoutMs, serverName } = key
    const host = ip.includes(':') ? `[${ip}]` : ip
    const origin = `${scheme}://${host}:${port}`
    const name = `${origin}|${connectTimeoutMs}|${scheme === 'https' ? serverName : ''}`
    const known = this.#pools.get(name)
    if (known) {
      known.usedMs = this.#now()
      return known.pool
    }
    const pool = createPool(origin, key)
    this.#pools.set(name, { pool, usedMs: this.#now() })
    return pool
  }

  /** Ends the connections that nobody uses any more, and gives the number of pools that stay. */
  sweep(nowMs: number): number {
    for (const [name, { pool, usedMs }] of this.#pools) {
      const { running, pending, queued } = pool.stats
      if (nowMs - usedMs < IDLE_MS || running + pending + queued > 0) continue
      this.#pools.delete(name)
      pool.close().catch(() => {})
    }
    return this.#pools.size
  }

  async close(): Promise<void> {
    const all = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(all.map(({ pool }) => pool.destroy()))
  }
}

const createPool = (origin: string, { scheme, connectTimeoutMs, serverName }: PoolKey): Pool =>
  new Pool(origin, {
    connections: null,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    maxRequestsPerClient: MAX_REQUESTS,
    connect: {
      timeout: connectTimeoutMs,
      rejectUnauthorized: false,
      ...(scheme === 'https' && { servername: serverName }),
    },
  })
