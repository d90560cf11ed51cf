/**
 * Reads of the manager beside those of Kong's Admin API: the same entities, in one run, by turns. Both keep them in the
 * same PostgreSQL, whose CPU time counts for each.
 *
 *     BENCH_KONG_ADMIN=http://127.0.0.1:8001 BENCH_KONG_PID=… BENCH_POSTGRES_URL=postgres://… BENCH_POSTGRES_PID=… \
 *       node dist/bench/manager-reads.js
 *
 * It wants a Kong 3.9 with PostgreSQL that holds no services (the pid of its master), and that PostgreSQL's server
 * (the pid of its postmaster) with a role that may make the schema `sluice_manager`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { readSettings } from '../foundation/settings.ts'
import { openDatabase } from '../management/manager.ts'
import { Operators } from '../management/operators/operators.ts'
import { newKeyLine } from '../management/sealer.ts'
import { runLoad } from './http-load.ts'
import { familyCpuMs } from './kong/processes.ts'

const SERVICES = 1_000
const ROUNDS = 3
const CONNECTIONS = 16
const BARE = path.join(import.meta.dirname, 'servers/bare-read-server.js')
const CLI = path.join(import.meta.dirname, '../cli/sluice.js')

const given = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set; see the head of bench/manager-reads.ts`)
  return value
}

const admin = new URL(given('BENCH_KONG_ADMIN'))
const pids = { kong: Number(given('BENCH_KONG_PID')), postgres: Number(given('BENCH_POSTGRES_PID')) }

interface Side {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly headers: Readonly<Record<string, string>>
  readonly prefix: string
}

interface Measured {
  readonly perSecond: number
  readonly cpuMsPerRequest: number
}

async function fill(): Promise<readonly string[]> {
  const ids: string[] = []
  for (let i = 0; i < SERVICES; i++) {
    const response = await fetch(new URL('/services', admin), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: `bench-${i}`, host: `bench-${i}.test`, tags: ['bench'] }),
    })
    if (!response.ok)
      throw new Error(`Kong answers ${response.status} to a new service: ${await response.text()}`)
    ids.push(String(((await response.json()) as { id: string }).id))
  }
  return ids
}

async function startManager(folder: string) {
  const env = {
    SLUICE_ADMIN_URL: admin.href,
    SLUICE_MANAGER_POSTGRES_URL: given('BENCH_POSTGRES_URL'),
    SLUICE_MANAGER_KEY: newKeyLine(Date.now()),
    SLUICE_MANAGER_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_MANAGER_LISTEN: '127.0.0.1:19543',
    SLUICE_LOG_LEVEL: 'warn',
  }
  const database = openDatabase(readSettings(env), createLogger('warn', 2))
  await database.migrate()
  const operators = new Operators(database, systemClock)
  const name = `bench-${Date.now()}`
  await operators.add(name, 'viewer')
  const { token } = await operators.issueToken(name, 'bench', null)
  await database.close()
  const child = fork(CLI, ['manager'], { env: { PATH: process.env.PATH, ...env } })
  for (let tries = 0; ; tries++) {
    const isReady = await fetch('http://127.0.0.1:19543/readyz').then(
      ({ ok }) => ok,
      () => false,
    )
    if (isReady) break
    if (tries > 600) throw new Error('the manager does not get ready')
    await sleep(100)
  }
  const side: Side = {
    ...{ name: 'manager', port: 19_543, pid: child.pid ?? 0, prefix: '/v1' },
    headers: { Authorization: `Bearer ${token}` },
  }
  const close = async () => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return { side, close }
}

/** What is possible at all: node:http with one prepared query, and node:http alone. */
async function startBare(name: string, bare: string) {
  const env = {
    PATH: process.env.PATH,
    BENCH_POSTGRES_URL: given('BENCH_POSTGRES_URL'),
    BENCH_BARE: bare,
  }
  const child = fork(BARE, { env })
  const [port] = (await once(child, 'message')) as [number]
  const side: Side = { name, port, pid: child.pid ?? 0, headers: {}, prefix: '/v1' }
  return { side, close: () => child.disconnect() }
}

async function measure(
  side: Side,
  where: readonly string[],
  requests: number,
  connections: number,
): Promise<Measured> {
  const cpu = () => familyCpuMs(side.pid) + familyCpuMs(pids.postgres)
  const load = { port: side.port, path: where.map(each => `${side.prefix}${each}`), headers: side.headers }
  await runLoad({ ...load, connections, requests: connections * 20 })
  const before = cpu()
  const { perSecond, statuses } = await runLoad({ ...load, connections, requests })
  const others = Object.keys(statuses).filter(status => status !== '200')
  if (others.length > 0) throw new Error(`${side.name} answers ${JSON.stringify(statuses)}`)
  return { perSecond, cpuMsPerRequest: (cpu() - before) / requests }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

async function compare(
  name: string,
  where: readonly string[],
  requests: number,
  sides: readonly Side[],
): Promise<void> {
  const rows = new Map<string, Measured[]>(sides.map(side => [side.name, []]))
  const alone = new Map<string, number[]>(sides.map(side => [side.name, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const side of sides) {
      rows.get(side.name)?.push(await measure(side, where, requests, CONNECTIONS))
      alone.get(side.name)?.push(1_000 / (await measure(side, where, Math.ceil(requests / 10), 1)).perSecond)
    }
  const of = (side: string, key: keyof Measured) => median((rows.get(side) ?? []).map(row => row[key]))
  for (const { name: side } of sides)
    console.log(
      `${name}, ${side}: ${of(side, 'perSecond').toFixed(0)} a second, ${of(side, 'cpuMsPerRequest').toFixed(3)} ms CPU each, ${median(alone.get(side) ?? []).toFixed(2)} ms alone`,
    )
  const [kong = '', ...others] = sides.map(side => side.name)
  for (const other of others) tellRatio(of, name, kong, other)
}

function tellRatio(
  of: (side: string, key: keyof Measured) => number,
  name: string,
  kong: string,
  manager: string,
): void {
  console.log(
    `${name}, ${manager}: ${(of(manager, 'perSecond') / of(kong, 'perSecond')).toFixed(1)} × the requests a second, ${(of(kong, 'cpuMsPerRequest') / of(manager, 'cpuMsPerRequest')).toFixed(1)} × at equal CPU`,
  )
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
try {
  const ids = await fill()
  const { side: manager, close } = await startManager(folder)
  try {
    const kong: Side = { name: 'Kong', port: Number(admin.port), pid: pids.kong, headers: {}, prefix: '' }
    const bare = await startBare('node:http and one query', 'query')
    const http = await startBare('node:http alone', 'http')
    await compare(
      'one service',
      ids.map(id => `/services/${id}`),
      4_000,
      [kong, manager, bare.side, http.side],
    )
    bare.close()
    http.close()
    await compare('100 services', ['/services?size=100'], 600, [kong, manager])
  } finally {
    await close()
  }
} finally {
  rmSync(folder, { recursive: true })
}
