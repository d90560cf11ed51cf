/**
 * CPU of a cache hit in a real Kong: response-cache beside Kong's own proxy-cache (memory), and beside a request that is
 * proxied to a service that takes 10 ms.
 *
 *     node dist/bench/kong/cache.js [starts] [seconds] [kinds] [sizes]
 *
 * Kinds and sizes are lists with commas; all by default. `SLUICE_BENCH_BEFORE=/path/to/dist` runs the response-cache of
 * another build (its dist folder) beside this one, as `response-cache-before`: a pair in the same run.
 *
 * Needs what bench/kong/run.ts needs. Kong's proxy-cache shares nothing between nodes, knows no stale answers and no
 * tags; response-cache runs with Redis behind it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { findService } from '../../ops/local/find.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { createDump } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { plugin as responseCache } from '../../plugins/response-cache/plugin.ts'
import type { Protocol } from '../../protocol/calls.ts'
import { median, printTable } from '../report.ts'
import { plugin as exitBody } from './plugins/exit-body.ts'
import { plugin as exitBodyMsgpack } from './plugins/exit-body-msgpack.ts'
import { plugin as responseCacheMsgpack } from './plugins/response-cache-msgpack.ts'
import { familyCpuMs, kong, load, masterOf, requirePrograms } from './processes.ts'
import { kongEnv } from './stack.ts'

const STARTS = Number(process.argv[2] ?? 3)
const SECONDS = Number(process.argv[3] ?? 4)
const listed = (index: number) => process.argv[index]?.split(',')
const SIZES = listed(5)?.map(Number) ?? [100, 1000, 10_000, 100_000]
/** The dist folder of another build. */
const BEFORE = process.env.SLUICE_BENCH_BEFORE
/** `exit-body` does nothing but exit, over each of the two protocols: the floor. */
const ALL_KINDS = [
  ...(['proxied', 'proxy-cache', 'exit-body', 'exit-body-msgpack'] as const),
  ...(['response-cache', 'response-cache-before', 'response-cache-msgpack'] as const),
  ...(['response-cache-fewer-questions', 'response-cache-shared'] as const),
]
type Kind = (typeof ALL_KINDS)[number]
const KINDS = ALL_KINDS.filter(kind =>
  kind === 'response-cache-before' ? BEFORE !== undefined : (listed(4)?.includes(kind) ?? true),
)
const before = BEFORE === undefined ? undefined : await loadEarlier(BEFORE)
const PLUGINS: readonly { readonly plugin: AnyPlugin; readonly protocol: Protocol }[] = [
  ...(before ? [{ plugin: before.plugin, protocol: 'ProtoBuf:1' as const }] : []),
  { plugin: responseCache as AnyPlugin, protocol: 'ProtoBuf:1' },
  { plugin: responseCacheMsgpack, protocol: 'MsgPack:1' },
  { plugin: exitBody as AnyPlugin, protocol: 'ProtoBuf:1' },
  { plugin: exitBodyMsgpack as AnyPlugin, protocol: 'MsgPack:1' },
]
const BENCH_PLUGINS = path.resolve(import.meta.dirname, 'plugins')
const CLI = path.resolve(import.meta.dirname, '../../cli/sluice.js')

interface Measured {
  readonly kongMicros: number
  readonly serverMicros: number
  readonly perSecond: number
  readonly otherShare: number
}

requirePrograms()
const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
const redis = await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
const upstream = await startUpstream()
const [proxyPort = 0] = await freePorts(1)
/** One process for the plugin, one for the earlier build, one for what they are compared with. */
const sockets = {
  own: path.join(folder, 'own.sock'),
  bench: path.join(folder, 'bench.sock'),
  ...(before && { before: path.join(folder, 'before.sock') }),
}
const socketOf = ({ name }: AnyPlugin) => {
  if (name === responseCache.name) return sockets.own
  return name === before?.plugin.name && sockets.before !== undefined ? sockets.before : sockets.bench
}
const declaration = path.join(folder, 'kong.json')
const dumpOf = (name: string) => path.join(folder, `${name}.json`)
const served = PLUGINS.map(({ plugin }) => ({
  name: plugin.name,
  socket: socketOf(plugin),
  dump: dumpOf(plugin.name),
}))
const results = new Map<string, Measured[]>()
try {
  for (const { plugin, protocol } of PLUGINS)
    writeFileSync(dumpOf(plugin.name), JSON.stringify(createDump([plugin], protocol, socketOf(plugin))))
  writeFileSync(declaration, JSON.stringify(declare()))
  for (let start = 0; start < STARTS; start++) await runOnce(start)
  print()
} finally {
  upstream.close()
  await redis.close()
  rmSync(folder, { recursive: true, force: true })
}

/** Answers with as many bytes as the path says, after 10 ms. */
async function startUpstream() {
  const bodies = new Map(SIZES.map(size => [String(size), Buffer.alloc(size, 'x')]))
  const server = createServer((request, response) => {
    const body = bodies.get(request.url?.split('/').at(-1) ?? '') ?? Buffer.alloc(0)
    setTimeout(() => {
      response.writeHead(200, {
        'content-type': 'text/plain',
        'content-length': body.length,
        'cache-control': 'public, max-age=3600',
        etag: '"bench"',
      })
      response.end(body)
    }, 10)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, close: () => server.close().closeAllConnections() }
}

function declare(): object {
  const inMemory = { strategy: 'memory', content_type: ['text/plain'], cache_ttl: 3600 }
  const pluginsOf = (kind: Kind, bytes: number): object[] => {
    switch (kind) {
      case 'proxied':
        return []
      case 'proxy-cache':
        return [{ name: kind, config: inMemory }]
      case 'exit-body':
      case 'exit-body-msgpack':
        return [{ name: kind, config: { bytes } }]
      case 'response-cache-shared':
        return [{ name: 'response-cache', config: { shared: true } }]
      case 'response-cache-fewer-questions':
        return [{ name: 'response-cache', config: { consumer: 'fields', scheme: 'http' } }]
      default:
        return [{ name: kind, config: {} }]
    }
  }
  return {
    _format_version: '3.0',
    services: KINDS.map(kind => ({
      name: kind,
      url: `http://127.0.0.1:${upstream.port}`,
      // Bound to the route: Kong need not be asked for it.
      routes: SIZES.map(size => ({
        name: `${kind}-${size}`,
        paths: [`/${kind}/${size}`],
        strip_path: false,
        plugins: pluginsOf(kind, size),
      })),
    })),
  }
}

async function runOnce(start: number): Promise<void> {
  const prefix = path.join(folder, `k${start}`)
  mkdirSync(prefix)
  const servers = [serve(sockets.own), serve(sockets.bench, BENCH_PLUGINS)]
  if (before && sockets.before !== undefined) servers.push(serveEarlier(before, sockets.before))
  await until(() => Object.values(sockets).every(existsSync))
  const run = { prefix, env: kongEnv({ declaration, proxyPort, served }) }
  kong('start', run)
  const master = masterOf(run)
  try {
    await pause(1000)
    const pids = servers.map(({ pid = 0 }) => pid)
    for (const size of SIZES) for (const kind of KINDS) await measure(kind, size, master, pids)
    process.stderr.write(`start ${start + 1} of ${STARTS} done\n`)
  } finally {
    kong('stop', run)
    for (const server of servers) {
      const exited = once(server, 'exit')
      server.kill('SIGTERM')
      await exited
    }
  }
}

interface EarlierBuild {
  readonly plugin: AnyPlugin
  /** Of its module. */
  readonly url: string
  readonly cli: string
}

async function loadEarlier(dist: string): Promise<EarlierBuild> {
  const { href: url } = pathToFileURL(path.join(dist, 'plugins/response-cache/plugin.js'))
  const { plugin } = (await import(url)) as { plugin: AnyPlugin }
  return { plugin: { ...plugin, name: 'response-cache-before' }, url, cli: path.join(dist, 'cli/sluice.js') }
}

/** Its plugin server has the plugin under another name, too. */
function serveEarlier({ plugin, url, cli }: EarlierBuild, socket: string): ChildProcess {
  const plugins = path.join(folder, 'before')
  mkdirSync(plugins, { recursive: true })
  const renamed = `{ ...its, name: '${plugin.name}', events: [] }`
  writeFileSync(
    path.join(plugins, 'before.mjs'),
    `import { plugin as its } from '${url}'\nexport const plugin = ${renamed}\n`,
  )
  return serve(socket, plugins, cli)
}

function serve(socket: string, plugins?: string, cli = CLI): ChildProcess {
  const env = {
    ...process.env,
    SLUICE_REDIS_URL: redis.url,
    SLUICE_SPOOL_DIR: `${socket}.spool`,
    SLUICE_LOG_LEVEL: 'error',
  }
  const args = plugins === undefined ? [] : ['--plugins', plugins]
  return spawn(process.execPath, [cli, 'serve', ...args, '--socket', socket, '--http', 'off'], {
    env,
    stdio: 'ignore',
  })
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    if (i > 600) throw new Error('a plugin server did not start within a minute')
    await pause(100)
  }
}

/** Kong answers 500 for a while where an instance could not be started at once. */
async function warmUp(url: string, size: number): Promise<void> {
  let good = 0
  for (let i = 0; good < 2; i++) {
    const response = await fetch(url)
    const { byteLength } = await response.arrayBuffer()
    if (response.status === 200 && byteLength === size) good++
    else if (i > 200) throw new Error(`${url}: ${response.status} with ${byteLength} bytes`)
    await pause(100)
  }
}

async function measure(kind: Kind, size: number, master: number, servers: readonly number[]): Promise<void> {
  const url = `http://127.0.0.1:${proxyPort}/${kind}/${size}`
  await warmUp(url, size)
  await load(url, 16, 1)
  const serversMs = () => servers.reduce((sum, server) => sum + familyCpuMs(server), 0)
  const before = [familyCpuMs(master), serversMs()] as const
  const loaded = await load(url, 16, SECONDS)
  const micros = (nowMs: number, beforeMs: number) => ((nowMs - beforeMs) * 1000) / loaded.requests
  const name = `${kind} ${size}`
  results.set(name, [
    ...(results.get(name) ?? []),
    {
      kongMicros: micros(familyCpuMs(master), before[0]),
      serverMicros: micros(serversMs(), before[1]),
      perSecond: loaded.requestsPerSecond,
      otherShare: loaded.otherShare,
    },
  ])
}

function print(): void {
  const of = (kind: Kind, size: number, pick: (one: Measured) => number) =>
    median((results.get(`${kind} ${size}`) ?? []).map(pick))
  const all = (kind: Kind, size: number) => of(kind, size, one => one.kongMicros + one.serverMicros)
  printTable(
    ['body', 'case', 'requests/s', 'not 2xx', 'Kong, µs', 'plugin server, µs', '× proxy-cache', '× proxied'],
    SIZES.flatMap(size =>
      KINDS.map(kind => [
        `${size} B`,
        kind,
        of(kind, size, one => one.perSecond).toFixed(0),
        `${(of(kind, size, one => one.otherShare) * 100).toFixed(1)} %`,
        of(kind, size, one => one.kongMicros).toFixed(0),
        of(kind, size, one => one.serverMicros).toFixed(0),
        (all(kind, size) / all('proxy-cache', size)).toFixed(2),
        (all(kind, size) / all('proxied', size)).toFixed(2),
      ]),
    ),
  )
}
