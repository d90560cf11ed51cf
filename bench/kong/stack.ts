/** A real Kong with its plugin servers, Redis and upstream, for the benchmarks of this folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findService } from '../../ops/local/find.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { type Case, casesOf, declarationOf } from './cases.ts'
import { GO_PLUGIN, preparePluginServers, type Served } from './plugin-servers.ts'
import { familyCpuMs, kong, masterOf, requirePrograms, startUpstream } from './processes.ts'

/** Whose CPU time is told apart. */
export const PARTS = ['Kong', 'plugin server', 'Redis'] as const
export type Part = (typeof PARTS)[number]
/** Milliseconds so far. */
export type CpuMs = Readonly<Record<Part, number>>

export interface RunningKong {
  readonly port: number
  readonly adminPort: number
  cpu(): Promise<CpuMs>
  stop(): Promise<void>
}

export interface Stack {
  readonly cases: readonly Case[]
  readonly upstreamPort: number
  /** Starts Kong and the plugin servers anew; one at a time. */
  start(): Promise<RunningKong>
  close(): Promise<void>
}

/**
 * @param only names of cases; all of them where it is left out.
 * @throws where Kong or wrk is missing, naming what to do.
 */
export async function prepareStack(only?: readonly string[]): Promise<Stack> {
  requirePrograms()
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const upstream = await startUpstream()
  const redis = await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
  const [proxyPort = 0, adminPort = 0] = await freePorts(2)
  const { hostname: host, port, password } = new URL(redis.url)
  const address = {
    host,
    port: Number(port),
    ...(password !== '' && { password: decodeURIComponent(password) }),
  }
  const cases = casesOf({
    upstream: upstream.port,
    redis: address,
    log: upstream.port,
    folder,
    goPlugin: GO_PLUGIN && path.basename(GO_PLUGIN),
  }).filter(({ name }) => only?.includes(name) ?? true)
  const declaration = path.join(folder, 'kong.json')
  writeFileSync(declaration, JSON.stringify(declarationOf(cases, upstream.port)))
  const redisClient = new Redis(redis.url)
  const servers = preparePluginServers(folder, {
    SLUICE_REDIS_URL: redis.url,
    SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
    SLUICE_REQUEST_LOG_FILE: path.join(folder, 'requests.jsonl'),
    // It takes what a collector would.
    SLUICE_OTLP_URL: `http://127.0.0.1:${upstream.port}`,
  })
  let starts = 0
  return {
    cases,
    upstreamPort: upstream.port,
    async start() {
      const prefix = path.join(folder, `k${starts++}`)
      mkdirSync(prefix)
      const started = servers.start()
      const run = { prefix, env: kongEnv({ declaration, proxyPort, adminPort, served: servers.served }) }
      await pause(3000)
      kong('start', run)
      const master = masterOf(run)
      await pause(1000)
      return {
        port: proxyPort,
        adminPort,
        cpu: async () => ({
          Kong: familyCpuMs(master),
          'plugin server': started.reduce((sum, { pid }) => sum + familyCpuMs(pid!), 0),
          Redis: await redisCpuMs(redisClient),
        }),
        async stop() {
          kong('stop', run)
          for (const server of started) {
            const exited = new Promise(resolve => server.once('exit', resolve))
            server.kill('SIGTERM')
            await exited
          }
        },
      }
    },
    async close() {
      upstream.close()
      redisClient.disconnect()
      await redis.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function redisCpuMs(client: Redis): Promise<number> {
  const text = await client.info('cpu')
  const seconds = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0)
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
}

export interface KongSettings {
  readonly declaration: string
  readonly proxyPort: number
  /** Left out: Kong has no Admin API. */
  readonly adminPort?: number
  readonly served: readonly Served[]
}

/** The environment of a Kong without a database that runs the plugins. */
export function kongEnv({ declaration, proxyPort, adminPort, served }: KongSettings): Record<string, string> {
  const idOf = (name: string) => name.replaceAll('-', '_')
  const names = served.map(({ name }) => name)
  const settings: Record<string, string> = {
    KONG_DATABASE: 'off',
    KONG_DECLARATIVE_CONFIG: declaration,
    KONG_NGINX_WORKER_PROCESSES: '1',
    KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    KONG_ADMIN_LISTEN: adminPort === undefined ? 'off' : `127.0.0.1:${adminPort}`,
    KONG_ADMIN_GUI_LISTEN: 'off',
    KONG_STATUS_LISTEN: 'off',
    KONG_ANONYMOUS_REPORTS: 'off',
    KONG_LOG_LEVEL: 'error',
    // Its workers would be nobody otherwise, who may not reach the sockets in this folder.
    ...(process.getuid?.() === 0 && { KONG_NGINX_USER: 'root root' }),
    KONG_PROXY_ACCESS_LOG: 'off',
    KONG_PLUGINS: ['bundled', ...names].join(','),
    KONG_PLUGINSERVER_NAMES: names.map(idOf).join(','),
  }
  for (const { name, socket, dump } of served) {
    const prefix = `KONG_PLUGINSERVER_${idOf(name).toUpperCase()}`
    settings[`${prefix}_SOCKET`] = socket
    settings[`${prefix}_QUERY_CMD`] = `cat ${dump}`
  }
  return settings
}
