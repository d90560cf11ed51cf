import { SluiceError } from '../../foundation/errors.ts'

/** What SLUICE_REDIS_URL says. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel'
  /** One server, the nodes of a cluster that are asked first, or the sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  /** Unix socket of a single server, instead of host and port. */
  readonly socket?: string
  /** The name under which sentinels know their master. */
  readonly master?: string
  readonly db: number
  readonly username?: string
  readonly password?: string
  /** File of certificate authorities; undefined: the system's. */
  readonly tls?: { readonly ca: string | undefined }
}

const SENTINEL_PORT = 26_379
const REDIS_PORT = 6379

/**
 * Reads one URL of a server, several of a Redis Cluster, or those of sentinels.
 *
 *     redis://user:password@host:6379/3         rediss://host:6379/3?ca=/etc/redis-ca.pem
 *     redis+unix:///run/redis/redis.sock?db=3   redis+unix://user:password@localhost/run/redis/redis.sock
 *     redis://a:6379,redis://b:6379             redis+sentinel://a:26379/mymaster?db=3,redis+sentinel://b:26379
 *
 * User, password, database and authorities are those of the first URL; the others may repeat them.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID that names what is wrong, without the password.
 */
export function readRedisUrls(texts: readonly string[]): RedisTarget {
  const urls = texts.map(text => new URL(text))
  const first = urls[0]
  if (!first) throw wrong('names no server')
  for (const url of urls) checkParameters(url)
  for (const url of urls.slice(1)) checkLikeFirst(first, url)
  const isSentinel = first.protocol.endsWith('+sentinel:')
  const common = {
    db: databaseOf(first, isSentinel),
    ...(first.username !== '' && { username: decodeURIComponent(first.username) }),
    ...(first.password !== '' && { password: decodeURIComponent(first.password) }),
    ...(first.protocol.startsWith('rediss') && { tls: { ca: first.searchParams.get('ca') ?? undefined } }),
  }
  if (first.protocol === 'redis+unix:') {
    if (urls.length > 1) throw wrong('a unix socket is one server; several URLs are a Redis Cluster')
    if (first.pathname.length < 2) throw wrong('names no socket: redis+unix:///run/redis/redis.sock')
    return { kind: 'single', nodes: [], socket: decodeURIComponent(first.pathname), ...common }
  }
  const port = isSentinel ? SENTINEL_PORT : REDIS_PORT
  const nodes = urls.map(url => ({ host: hostOf(url), port: Number(url.port) || port }))
  if (isSentinel) return { kind: 'sentinel', nodes, master: masterOf(urls), ...common }
  if (urls.length === 1) return { kind: 'single', nodes, ...common }
  if (common.db !== 0) throw wrong(`database ${common.db}: a Redis Cluster has database 0 only`)
  return { kind: 'cluster', nodes, ...common }
}

function checkParameters(url: URL): void {
  const { protocol, searchParams } = url
  for (const name of searchParams.keys()) {
    if (name !== 'db' && name !== 'ca')
      throw wrong(`unknown parameter ${JSON.stringify(name)}: known are db and ca`)
    if (name === 'ca' && !protocol.startsWith('rediss')) throw wrong('ca is for TLS: rediss://')
  }
}

function checkLikeFirst(first: URL, url: URL): void {
  if (url.protocol !== first.protocol)
    throw wrong(`mixes ${first.protocol}// and ${url.protocol}//; all URLs need the same scheme`)
  for (const part of ['username', 'password'] as const)
    if (url[part] !== '' && url[part] !== first[part])
      throw wrong(`the URLs differ in their ${part}; the one of the first is used for all`)
  for (const name of ['db', 'ca']) {
    const value = url.searchParams.get(name)
    if (value !== null && value !== first.searchParams.get(name))
      throw wrong(`the URLs differ in ${name}; the one of the first is used for all`)
  }
  const hasDatabase = url.protocol === 'redis:' || url.protocol === 'rediss:'
  if (hasDatabase && url.pathname.length > 1 && url.pathname !== first.pathname)
    throw wrong('the URLs differ in their database')
}

/** From the path, or from `?db=`; the path of a sentinel or of a socket is something else. */
function databaseOf(url: URL, isSentinel: boolean): number {
  const parameter = url.searchParams.get('db')
  const hasPath = !isSentinel && url.protocol !== 'redis+unix:'
  const path = hasPath ? url.pathname.replace(/^\//, '') : ''
  if (path !== '' && parameter !== null && path !== parameter)
    throw wrong(`names two databases: /${path} and db=${parameter}`)
  const text = path || (parameter ?? '0')
  if (!/^\d{1,9}$/.test(text))
    throw wrong(`the database ${JSON.stringify(text)} is not a number, such as redis://host:6379/3`)
  return Number(text)
}

function masterOf(urls: readonly URL[]): string {
  const names = new Set(urls.map(url => url.pathname.slice(1)).filter(name => name !== ''))
  const [name, other] = names
  if (name === undefined)
    throw wrong('sentinels need the name of their master: redis+sentinel://host:26379/mymaster')
  if (other !== undefined) throw wrong(`names two masters: ${name} and ${other}`)
  return name
}

const hostOf = (url: URL) => url.hostname.replace(/^\[|\]$/g, '') || 'localhost'

const wrong = (reason: string) => new SluiceError('SLUICE_CONFIG_INVALID', `SLUICE_REDIS_URL: ${reason}`)
