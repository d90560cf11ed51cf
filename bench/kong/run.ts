/**
 * Requests per second through a real Kong: our plugins beside Kong's own, in one run.
 *
 *     node dist/bench/kong/run.js [starts] [seconds] [case,case,…]
 *
 * Kong's JIT makes single starts vary by a third, so Kong is started several times and the medians are compared. One
 * Kong worker, one plugin server process, one Redis; everything on loopback and on this machine. The cases of one
 * start follow each other, in another order each time. `SLUICE_TEST_KONG_COMMAND` names Kong's command line.
 *
 * Beside the rates stands what a request costs in CPU time, process by process: who is the bottleneck of a case shows
 * there, and it is told by the kernel, so it varies less than the rates. The table of ratios gives the requests for
 * each second of CPU time too: of Kong's alone, which bounds a node whose other cores are free, and of all three.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findService } from '../../ops/local/find.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { median } from '../report.ts'
import { type Case, casesOf, declarationOf } from './cases.ts'
import { preparePluginServers } from './plugin-servers.ts'
import { familyCpuMs, kong, type Load, load, masterOf, requirePrograms, startUpstream } from './processes.ts'

const STARTS = Number(process.argv[2] ?? 5)
const SECONDS = Number(process.argv[3] ?? 5)
const ONLY = process.argv[4]?.split(',')
/** Whose CPU time is told apart. */
const PARTS = ['Kong', 'plugin server', 'Redis'] as const
type Part = (typeof PARTS)[number]

/** Pairs of ours and its peer, with the goal for the ratio. */
const GOALS: readonly (readonly [ours: string, peer: string, goal: number])[] = [
  ['qos-strict', 'rl-redis-3', 3.5],
  ['qos-strict', 'rl-redis', 2.5],
  ['qos-strict', 'rl-local', 2],
  ['qos-leased', 'rl-redis-3', 3.5],
  ['qos-strict', 'pdk-qos', 1.5],
  ['calls-2', 'pdk-calls-2', 1.5],
  ['sluice', 'rl-and-log', 1.7],
  ['sluice-log', 'rl-and-log', 1.05],
  ['sluice-received', 'rl-and-log', 1.05],
  ['sluice-log-received', 'rl-and-log', 1.05],
  ['log-first', 'log-serialize', 1],
  ['token', 'header', 1],
  ['request-log', 'file-log', 1],
  ['reject-qos', 'reject-rl-redis', 1],
]

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
const cases = casesOf({ upstream: upstream.port, redis: address, log: upstream.port, folder }).filter(
  ({ name }) => ONLY?.includes(name) ?? true,
)
const results = new Map<string, Measured[]>(cases.map(({ name }) => [name, []]))

const redisClient = new Redis(redis.url)
const servers = preparePluginServers(folder, {
  SLUICE_REDIS_URL: redis.url,
  SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
  SLUICE_REQUEST_LOG_FILE: path.join(folder, 'requests.jsonl'),
  // It takes what a collector would.
  SLUICE_OTLP_URL: `http://127.0.0.1:${upstream.port}`,
})

interface Measured extends Load {
  /** CPU time a request, in microseconds. */
  readonly micros: Readonly<Record<Part, number>>
}

try {
  const declaration = path.join(folder, 'kong.json')
  writeFileSync(declaration, JSON.stringify(declarationOf(cases, upstream.port)))
  for (let start = 0; start < STARTS; start++) await runOnce(start, declaration)
  print()
} finally {
  upstream.close()
  redisClient.disconnect()
  await redis.close()
  rmSync(folder, { recursive: true, force: true })
}

async function runOnce(start: number, declaration: string): Promise<void> {
  const prefix = path.join(folder, `k${start}`)
  mkdirSync(prefix)
  const { sluice, kongPdk } = servers.start()
  const run = { prefix, env: kongEnv(declaration) }
  await pause(3000)
  kong('start', run)
  const master = masterOf(run)
  /** Milliseconds so far. */
  const cpu = async (): Promise<Readonly<Record<Part, number>>> => ({
    Kong: familyCpuMs(master),
    'plugin server': familyCpuMs(sluice.pid!) + familyCpuMs(kongPdk.pid!),
    Redis: await redisCpuMs(),
  })
  try {
    await pause(1000)
    const order = start % 2 === 0 ? cases : [...cases].reverse()
    for (const one of order) await measure(one, cpu)
    process.stderr.write(`start ${start + 1} of ${STARTS} done\n`)
  } finally {
    kong('stop', run)
    for (const server of [sluice, kongPdk]) {
      const exited = new Promise(resolve => server.once('exit', resolve))
      server.kill('SIGTERM')
      await exited
    }
  }
}

async function measure({ name }: Case, cpu: () => Promise<Readonly<Record<Part, number>>>): Promise<void> {
  const url = `http://127.0.0.1:${proxyPort}/${name}`
  const { status } = await fetch(url, { headers: { apikey: 'bench-key' } })
  if (status !== 200 && status !== 429) throw new Error(`${name}: Kong answered ${status}`)
  await load(url, 16, 2)
  const before = await cpu()
  const loaded = await load(url, 16, SECONDS)
  const after = await cpu()
  const micros = (part: Part) => ((after[part] - before[part]) * 1000) / loaded.requests
  results.get(name)!.push({
    ...loaded,
    micros: { Kong: micros('Kong'), 'plugin server': micros('plugin server'), Redis: micros('Redis') },
  })
}

async function redisCpuMs(): Promise<number> {
  const text = await redisClient.info('cpu')
  const seconds = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0)
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
}

function kongEnv(declaration: string): Record<string, string> {
  const idOf = (name: string) => name.replaceAll('-', '_')
  const names = servers.served.map(({ name }) => name)
  const settings: Record<string, string> = {
    KONG_DATABASE: 'off',
    KONG_DECLARATIVE_CONFIG: declaration,
    KONG_NGINX_WORKER_PROCESSES: '1',
    KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    KONG_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
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
  for (const { name, socket, dump } of servers.served) {
    const prefix = `KONG_PLUGINSERVER_${idOf(name).toUpperCase()}`
    settings[`${prefix}_SOCKET`] = socket
    settings[`${prefix}_QUERY_CMD`] = `cat ${dump}`
  }
  return settings
}

function rate(name: string): number {
  return median(results.get(name)!.map(one => one.requestsPerSecond))
}

/** CPU time a request in these processes, in microseconds. */
function cpuMicros(name: string, parts: readonly Part[]): number {
  return median(results.get(name)!.map(one => parts.reduce((sum, part) => sum + one.micros[part], 0)))
}

function print(): void {
  console.log(`medians of ${STARTS} starts of Kong, 16 connections, ${SECONDS} s each\n`)
  console.log(
    `| case | requests/s | lowest | highest | not 2xx | socket errors | ${PARTS.map(part => `${part}, µs`).join(' | ')} |`,
  )
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const { name, title } of cases) {
    const loads = results.get(name)!
    const rates = loads.map(one => Math.round(one.requestsPerSecond))
    const others = median(loads.map(one => one.otherShare))
    const errors = loads.reduce((sum, one) => sum + one.socketErrors, 0)
    const costs = PARTS.map(part => Math.round(cpuMicros(name, [part])))
    console.log(
      `| ${title} | ${Math.round(rate(name))} | ${Math.min(...rates)} | ${Math.max(...rates)} | ${(others * 100).toFixed(1)} % | ${errors} | ${costs.join(' | ')} |`,
    )
  }
  console.log(
    "\n| ours | its peer | requests/s | goal | per Kong's CPU | per all CPU |\n| --- | --- | ---: | ---: | ---: | ---: |",
  )
  for (const [ours, peer, goal] of GOALS.filter(pair => results.has(pair[0]) && results.has(pair[1]))) {
    const perCpu = (parts: readonly Part[]) => (cpuMicros(peer, parts) / cpuMicros(ours, parts)).toFixed(2)
    console.log(
      `| ${ours} | ${peer} | ${(rate(ours) / rate(peer)).toFixed(2)} | ${goal} | ${perCpu(['Kong'])} | ${perCpu(PARTS)} |`,
    )
  }
}
