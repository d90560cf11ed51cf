/**
 * What many subjects and many instances take: memory of the plugin server, bytes in Redis, time to make the instances.
 *
 *     node dist/bench/scale.js [subjects] [instances]
 *
 * The subjects come through `qos` in strict mode with three limits and a real Redis, one request each. 1,000 services
 * have a breaker each, in `sluice`; the instances are spread over them. What ten million subjects take is computed from
 * the bytes a subject: Redis keeps each until its limits are full again, the process a bounded number.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { createLogger } from '../foundation/log.ts'
import { readSettings } from '../foundation/settings.ts'
import { findService } from '../ops/local/find.ts'
import { startServer } from '../plugin-server/main.ts'
import { type KongLane, openProtobufLane, replyOf } from './kong-lane.ts'
import { printTable } from './report.ts'

const SUBJECTS = Number(process.argv[2] ?? 200_000)
const INSTANCES = Number(process.argv[3] ?? 10_000)
const SERVICES = 1_000
const LANES = 64
const MANY = 10_000_000
const MIB = 1024 * 1024

const QOS = {
  default_tier: 'all',
  sync: 'strict',
  tiers: {
    all: {
      limits: [
        { name: 'second', requests: 100, per: 1 },
        { name: 'minute', requests: 1_000, per: 60 },
        // Its field is kept for 864 s: a subject stays until its limits are full again.
        { name: 'day', requests: 100, per: 86_400 },
      ],
    },
  },
}

interface Usage {
  readonly rssMib: number
  readonly heapMib: number
  readonly cpuMs: number
}

async function serve(socket: string, redisUrl: string): Promise<void> {
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(path.dirname(socket), 'spool'),
    SLUICE_HTTP: 'off',
    SLUICE_REDIS_URL: redisUrl,
  })
  const server = await startServer(settings, { log: createLogger('warn') })
  process.on('message', message => {
    if (message === 'close') void server.close().then(() => process.exit(0))
    else {
      globalThis.gc?.()
      const { rss, heapUsed } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      process.send?.({
        rssMib: rss / MIB,
        heapMib: heapUsed / MIB,
        cpuMs: (user + system) / 1000,
      } satisfies Usage)
    }
  })
  process.send?.('ready')
}

async function usageOf(server: ChildProcess): Promise<Usage> {
  const answer = once(server, 'message')
  server.send('usage')
  const [usage] = (await answer) as [Usage]
  return usage
}

async function spread(
  lanes: readonly KongLane[],
  count: number,
  work: (lane: KongLane, n: number) => unknown,
) {
  let next = 0
  await Promise.all(
    lanes.map(async lane => {
      for (let n = next++; n < count; n = next++) await work(lane, n)
    }),
  )
}

async function redisMib(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1] ?? 0) / MIB
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'run', 'sluice.sock')
  const redis = await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
  const client = new Redis(redis.url)
  const server = fork(fileURLToPath(import.meta.url), [socket, redis.url, 'serve'], {
    execArgv: ['--expose-gc', ...(process.argv.includes('--profile') ? ['--cpu-prof'] : [])],
  })
  try {
    await once(server, 'message')
    const answer = (method: string) =>
      method === 'kong.client.get_consumer' ? replyOf('Consumer', { id: randomUUID() }) : undefined
    const lanes = await Promise.all(Array.from({ length: LANES }, () => openProtobufLane(socket, answer)))
    const rows = [...(await subjects(server, lanes, client)), ...(await instances(server, lanes))]
    for (const lane of lanes) lane.close()
    printTable(['what', 'seen'], rows)
  } finally {
    const ended = once(server, 'exit')
    server.send('close')
    await ended
    client.disconnect()
    await redis.close()
    rmSync(folder, { recursive: true })
  }
}

async function subjects(
  server: ChildProcess,
  lanes: readonly KongLane[],
  client: Redis,
): Promise<string[][]> {
  const id = await lanes[0]!.startInstance('qos', { __plugin_id: randomUUID(), ...QOS })
  await spread(lanes, 1_000, lane => lane.event(id, 'access'))
  const [redisBefore, before] = [await redisMib(client), await usageOf(server)]
  await spread(lanes, SUBJECTS, lane => lane.event(id, 'access'))
  const [redisAfter, after] = [await redisMib(client), await usageOf(server)]
  const bytes = ((redisAfter - redisBefore) * MIB) / SUBJECTS
  return [
    [`Redis, bytes a subject with three limits, of ${SUBJECTS}`, bytes.toFixed(0)],
    [`the same for ${MANY} subjects, computed`, `${((bytes * MANY) / MIB / 1024).toFixed(1)} GiB`],
    [
      'plugin server, heap before and after',
      `${before.heapMib.toFixed(0)} and ${after.heapMib.toFixed(0)} MiB`,
    ],
    ['plugin server, resident after', `${after.rssMib.toFixed(0)} MiB`],
  ]
}

async function instances(server: ChildProcess, lanes: readonly KongLane[]): Promise<string[][]> {
  const services = Array.from({ length: SERVICES }, () => randomUUID())
  const before = await usageOf(server)
  const ids: number[] = []
  await spread(lanes, INSTANCES, async (lane, n) => {
    const scope = { __plugin_id: randomUUID(), service_id: services[n % SERVICES], route_id: randomUUID() }
    ids.push(await lane.startInstance('sluice', { ...scope, qos: QOS, circuit_breaker: {} }))
  })
  const made = await usageOf(server)
  await spread(lanes, INSTANCES, (lane, n) => lane.event(ids[n]!, 'access'))
  const after = await usageOf(server)
  return [
    [
      `an instance of sluice, of ${INSTANCES} over ${SERVICES} services, CPU time`,
      `${(((made.cpuMs - before.cpuMs) * 1_000) / INSTANCES).toFixed(0)} µs`,
    ],
    [
      'heap an instance, with its share of a breaker and one request',
      `${(((after.heapMib - before.heapMib) * 1024) / INSTANCES).toFixed(1)} KiB`,
    ],
    ['plugin server, resident after', `${after.rssMib.toFixed(0)} MiB`],
  ]
}

const [socket, redisUrl, role] = process.argv.slice(2)
if (role === 'serve' && socket !== undefined && redisUrl !== undefined) await serve(socket, redisUrl)
else await measure()
