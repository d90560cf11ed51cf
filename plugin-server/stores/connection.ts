import { readFileSync } from 'node:fs'
import { doublingMs } from '../../foundation/backoff.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from './ioredis.ts'
import { type RedisTarget, readRedisUrls } from './redis-url.ts'

export type Connection = Redis | Cluster

/**
 * Connects to what the URLs name; see `readRedisUrls`.
 *
 * Nothing waits in a queue for a connection, and nothing is sent again after one: whether a script ran twice must be
 * for the caller to decide.
 *
 * @param role stands in `CLIENT LIST`, beside the product's name.
 * @throws SluiceError SLUICE_CONFIG_INVALID for a wrong URL, and when a file of authorities can't be read.
 */
export function connect(urls: readonly string[], deadlineMs: number, role: string): Connection {
  const target = readRedisUrls(urls)
  const { username, password, db } = target
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
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  } satisfies RedisOptions
  const tls = tlsOf(target)
  if (target.kind === 'cluster') return keepFresh(new Cluster([...target.nodes], clusterOptions(common, tls)))
  const single = { ...common, ...SINGLE, db, ...(tls && { tls }) } satisfies RedisOptions
  if (target.kind === 'sentinel') return new Redis({ ...single, ...sentinelOptions(target, tls) })
  if (target.socket !== undefined) return new Redis({ ...single, path: target.socket })
  return new Redis({ ...single, ...target.nodes[0]! })
}

const SINGLE = {
  enableOfflineQueue: false,
  retryStrategy: reconnectDelayMs,
  // A master that became a replica refuses writes on every connection that it still holds.
  reconnectOnError: error => error.message.startsWith('READONLY'),
} satisfies RedisOptions

function sentinelOptions({ nodes, master = '' }: RedisTarget, tls: Tls | undefined) {
  return {
    sentinels: [...nodes],
    name: master,
    // No failoverDetector: when the old master's connection breaks while it acts, ioredis 6.0.0 never connects again.
    sentinelRetryStrategy: reconnectDelayMs,
    ...(tls && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  } satisfies RedisOptions
}

interface Tls {
  readonly ca?: Buffer
}

function tlsOf({ tls }: RedisTarget): Tls | undefined {
  if (!tls) return undefined
  if (tls.ca === undefined) return {}
  try {
    return { ca: readFileSync(tls.ca) }
  } catch (error) {
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `SLUICE_REDIS_URL: cannot read its ca: ${messageOf(error)}`,
    )
  }
}

function clusterOptions(node: Omit<RedisOptions, 'replyMapping'>, tls: Tls | undefined) {
  return {
    redisOptions: { ...node, ...(tls && { tls }) },
    // A certificate names a host, so the host must not be replaced by its address.
    ...(tls && { dnsLookup: (host, found) => found(null, host) }),
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

/**
 * Ends a connection for good. ioredis ends the stream of one that still shakes hands over TLS in order; the server
 * answers that with an alert, and Node.js reports it more often than ioredis listens: an uncaught exception
 * (ioredis 6.0.0, Node.js 20). Such a stream is cut instead.
 */
export function disconnect(connection: Connection): void {
  const servers = connection instanceof Cluster ? connection.nodes() : [connection]
  const shaking = servers.filter(({ status }) => status === 'connecting').map(({ stream }) => stream)
  connection.disconnect()
  for (const stream of shaking) stream?.destroy()
}

const RESTART_MS = 500

/** A client that has given up connecting, for whatever reason, begins anew, until it is not wanted any more. */
export function keepConnecting(connection: Connection, isClosed: () => boolean): void {
  const again = () => {
    if (!isClosed() && connection.status === 'end') connection.connect().catch(() => {})
  }
  connection.on('end', () => void (isClosed() || setTimeout(again, RESTART_MS).unref()))
}

function reconnectDelayMs(attempt: number): number {
  return doublingMs(attempt, 25, 1000)
}
