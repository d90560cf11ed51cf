import { type Dispatcher, Pool } from 'undici'

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
export interface UpstreamPools {
  get(key: PoolKey): Dispatcher
  /** Ends the connections that nobody uses any more, and gives the number of pools that stay. */
  sweep(nowMs: number): number
  close(): Promise<void>
}

export function createUpstreamPools(now: () => number): UpstreamPools {
  const pools = new Map<string, { readonly pool: Pool; usedMs: number }>()
  return {
    get({ scheme, ip, port, connectTimeoutMs, serverName }) {
      const host = ip.includes(':') ? `[${ip}]` : ip
      const origin = `${scheme}://${host}:${port}`
      const key = `${origin}|${connectTimeoutMs}|${scheme === 'https' ? serverName : ''}`
      const known = pools.get(key)
      if (known) {
        known.usedMs = now()
        return known.pool
      }
      const pool = new Pool(origin, {
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
      pools.set(key, { pool, usedMs: now() })
      return pool
    },
    sweep(nowMs) {
      for (const [key, { pool, usedMs }] of pools) {
        const { running, pending, queued } = pool.stats
        if (nowMs - usedMs < IDLE_MS || running + pending + queued > 0) continue
        pools.delete(key)
        pool.close().catch(() => {})
      }
      return pools.size
    },
    async close() {
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map(({ pool }) => pool.destroy()))
    },
  }
}
