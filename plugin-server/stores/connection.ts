import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'

export type Connection = Redis | Cluster

/**
 * Connects to one Redis, or with several URLs to a Redis Cluster. `rediss://` means TLS with the system's
 * authorities. Nothing waits in a queue for a connection, and nothing is sent again after one: whether a script ran
 * twice must be for the caller to decide.
 *
 * @param role stands in `CLIENT LIST`, beside the product's name.
 */
export function connect(urls: readonly string[], deadlineMs: number, role: string): Connection {
  const first = new URL(urls[0]!)
  const common = {
    // A socket that owes an answer for this long is given up: after a network partition TCP alone would wait minutes.
    socketTimeout: Math.max(2000, deadlineMs * 20),
    connectTimeout: 2000,
    keepAlive: 10_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: `sluice-${role}`,
    // The server's answers are read the same in both versions; version 2 is spoken by every proxy, too.
    protocol: 2,
    ...credentials(first),
    ...(first.protocol === 'rediss:' ? { tls: { servername: first.hostname } } : {}),
  } satisfies RedisOptions
  if (urls.length > 1) return keepFresh(new Cluster(urls.map(nodeAddress), clusterOptions(common)))
  return new Redis({
    ...common,
    ...nodeAddress(urls[0]!),
    db: Number(first.pathname.slice(1)) || 0,
    enableOfflineQueue: false,
    retryStrategy: reconnectDelayMs,
    // A master that became a replica refuses writes on every connection that it still holds.
    reconnectOnError: error => error.message.startsWith('READONLY'),
  })
}

function clusterOptions(redisOptions: Omit<RedisOptions, 'replyMapping'>) {
  return {
    redisOptions,
    enableOfflineQueue: false,
    // A call that meets a failing node fails at once; probes find out when the slots have moved.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 0,
    maxRedirections: 3,
    slotsRefreshInterval: 0,
    clusterRetryStrategy: reconnectDelayMs,
    clusterNodeRetryStrategy: reconnectDelayMs,
  } satisfies ClusterOptions
}

const REFRESH_SLOTS_MS = 2000

/**
 * Asks for the map of the slots every two seconds, so that a failover is seen. ioredis can do so itself, but its timer
 * goes on for ever when the connection is closed while an answer is awaited (6.0.0).
 */
function keepFresh(cluster: Cluster): Cluster {
  const timer = setInterval(() => cluster.refreshSlotsCache(), REFRESH_SLOTS_MS).unref()
  cluster.once('end', () => clearInterval(timer))
  return cluster
}

function reconnectDelayMs(attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 10), 1000)
}

function nodeAddress(text: string): { host: string; port: number } {
  const url = new URL(text)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || 6379 }
}

function credentials(url: URL): { username?: string; password?: string } {
  return {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  }
}
