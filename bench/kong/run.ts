/**
 * Requests per second through a real Kong: our plugins beside Kong's own, in one run.
 *
 *     node dist/bench/kong/run.js [starts] [seconds] [case,case,…]
 *
 * Kong's JIT makes single starts vary by a third, so Kong is started several times and the medians are compared. One
 * Kong worker, one plugin server process, one Redis; everything on loopback and on this machine. The cases of one
 * start follow each other, in another order each time. `SLUICE_BENCH_KONG` names Kong's command line.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { findService } from '../../ops/local/find.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { type Case, casesOf, declarationOf } from './cases.ts'
import { CLI, kong, type Load, load, requirePrograms, serve, startUpstream } from './processes.ts'

const STARTS = Number(process.argv[2] ?? 5)
const SECONDS = Number(process.argv[3] ?? 5)
const ONLY = process.argv[4]?.split(',')
const PLUGINS = ['qos', 'circuit-breaker', 'key-auth-audit', 'sluice']
/** Pairs of ours and its peer, with the goal for the ratio. */
const GOALS: readonly (readonly [ours: string, peer: string, goal: number])[] = [
  ['qos-strict', 'rl-redis-3', 3.5],
  ['qos-strict', 'rl-redis', 2.5],
  ['qos-strict', 'rl-local', 2],
  ['qos-leased', 'rl-redis-3', 3.5],
  ['sluice', 'rl-and-log', 1.7],
  ['reject-qos', 'reject-rl-redis', 1],
]

requirePrograms()
const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
const upstream = await startUpstream()
const redis = await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
const [proxyPort = 0, adminPort = 0] = await freePorts(2)
const env = {
  SLUICE_SOCKET: path.join(folder, 'sluice.sock'),
  SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
  SLUICE_REDIS_URL: redis.url,
  SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
  SLUICE_HTTP: 'off',
  SLUICE_LOG_LEVEL: 'error',
}
const { hostname: host, port, password } = new URL(redis.url)
const address = {
  host,
  port: Number(port),
  ...(password !== '' && { password: decodeURIComponent(password) }),
}
const cases = casesOf({ upstream: upstream.port, redis: address, log: upstream.port }).filter(
  ({ name }) => ONLY?.includes(name) ?? true,
)
const results = new Map<string, Load[]>(cases.map(({ name }) => [name, []]))

try {
  const dumps = path.join(folder, 'dumps')
  execFileSync(process.execPath, [CLI, 'dump', '--out', dumps], { env: { ...process.env, ...env } })
  const declaration = path.join(folder, 'kong.json')
  writeFileSync(declaration, JSON.stringify(declarationOf(cases, upstream.port)))
  for (let start = 0; start < STARTS; start++) await runOnce(start, dumps, declaration)
  print()
} finally {
  upstream.close()
  await redis.close()
  rmSync(folder, { recursive: true, force: true })
}

async function runOnce(start: number, dumps: string, declaration: string): Promise<void> {
  const prefix = path.join(folder, `k${start}`)
  mkdirSync(prefix)
  const server = serve(env)
  const run = { prefix, env: kongEnv(dumps, declaration) }
  await pause(1000)
  kong('start', run)
  try {
    await pause(1000)
    const order = start % 2 === 0 ? cases : [...cases].reverse()
    for (const one of order) await measure(one)
    process.stderr.write(`start ${start + 1} of ${STARTS} done\n`)
  } finally {
    kong('stop', run)
    server.kill('SIGTERM')
    await new Promise(resolve => server.once('exit', resolve))
  }
}

async function measure({ name }: Case): Promise<void> {
  const url = `http://127.0.0.1:${proxyPort}/${name}`
  await load(url, 16, 2)
  results.get(name)!.push(await load(url, 16, SECONDS))
}

function kongEnv(dumps: string, declaration: string): Record<string, string> {
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
    KONG_PROXY_ACCESS_LOG: 'off',
    KONG_PLUGINS: ['bundled', ...PLUGINS].join(','),
    KONG_PLUGINSERVER_NAMES: PLUGINS.map(name => name.replaceAll('-', '_')).join(','),
  }
  for (const name of PLUGINS) {
    const prefix = `KONG_PLUGINSERVER_${name.replaceAll('-', '_').toUpperCase()}`
    settings[`${prefix}_SOCKET`] = env.SLUICE_SOCKET
    settings[`${prefix}_QUERY_CMD`] = `cat ${path.join(dumps, `${name}.json`)}`
  }
  return settings
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function rate(name: string): number {
  return median(results.get(name)!.map(one => one.requestsPerSecond))
}

function print(): void {
  console.log(`medians of ${STARTS} starts of Kong, 16 connections, ${SECONDS} s each\n`)
  console.log('| case | requests/s | lowest | highest | not 2xx | socket errors |')
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const { name, title } of cases) {
    const loads = results.get(name)!
    const rates = loads.map(one => Math.round(one.requestsPerSecond))
    const others = median(loads.map(one => one.otherShare))
    const errors = loads.reduce((sum, one) => sum + one.socketErrors, 0)
    console.log(
      `| ${title} | ${Math.round(rate(name))} | ${Math.min(...rates)} | ${Math.max(...rates)} | ${(others * 100).toFixed(1)} % | ${errors} |`,
    )
  }
  console.log('\n| ours | its peer | ratio | goal |\n| --- | --- | ---: | ---: |')
  for (const [ours, peer, goal] of GOALS.filter(pair => results.has(pair[0]) && results.has(pair[1])))
    console.log(`| ${ours} | ${peer} | ${(rate(ours) / rate(peer)).toFixed(2)} | ${goal} |`)
}
