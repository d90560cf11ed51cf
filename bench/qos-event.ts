/**
 * What a strict request costs: CPU time of its access event in the plugin server and in Redis, over TCP and over a unix
 * socket, beside a leased one, and beside another commit (SLUICE_BENCH_BEFORE names its `dist` folder). Sixteen
 * connections, each with a subject of its own, so that each event is a call; three windows. Rounds go round all, so
 * that what else the machine does hits all of them. `node dist/bench/qos-event.js`; about a minute.
 *
 * Then what one script call costs a client alone: ioredis in both ways and with its own pipelining, beside the least
 * that Node can do (a socket that is written and read, and looks for the ends of the replies only).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePorts } from '../ops/local/ports.ts'
import { findRedisProgram } from '../test/support/redis-program.ts'
import { cpuMs } from './cpu.ts'
import { type KongLane, openProtobufLane } from './kong-lane.ts'
import { median, printTable } from './report.ts'

const LANES = 16
const EVENTS = 16_000
const ROUNDS = 7
const IN_FLIGHT = [1, 4, 16]

interface Contender {
  readonly name: string
  readonly dist: string
  readonly sync: 'strict' | 'leased'
  readonly url: string
}

interface Server {
  readonly name: string
  readonly pid: number
  round(): Promise<void>
  close(): Promise<void>
}

const LIMITS = [
  { name: 'second', requests: 100_000, per: 1 },
  { name: 'minute', requests: 6_000_000, per: 60 },
  { name: 'hour', requests: 360_000_000, per: 3600 },
]

async function start({ name, dist, sync, url }: Contender): Promise<Server> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'sluice.sock')
  const child = spawn(process.execPath, [path.join(dist, 'cli/sluice.js'), 'serve'], {
    env: {
      PATH: process.env.PATH,
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
      SLUICE_HTTP: 'off',
      SLUICE_LOG_LEVEL: 'error',
      SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
      SLUICE_REDIS_URL: url,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const open = async (): Promise<KongLane> => {
    for (;;) {
      const lane = await openProtobufLane(socket).catch(() => undefined)
      if (lane) return lane
      await pause(10)
    }
  }
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async (_, i) => {
      const lane = await open()
      const tiers = { all: { limits: LIMITS } }
      const config = { tiers, default_tier: 'all', sync, route_id: `${name} ${i}`, __plugin_id: `${i}` }
      return { lane, instance: await lane.startInstance('qos', config) }
    }),
  )
  return {
    name,
    pid: child.pid!,
    async round() {
      await Promise.all(
        lanes.map(async ({ lane, instance }) => {
          for (let i = 0; i < EVENTS / LANES; i++) await lane.event(instance, 'access')
        }),
      )
    },
    async close() {
      for (const { lane } of lanes) lane.close()
      child.kill('SIGKILL')
      await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Microseconds an event, of the plugin server and of Redis. */
async function events(contenders: readonly Contender[], redisCpuMs: () => Promise<number>): Promise<void> {
  const servers: Server[] = []
  try {
    for (const contender of contenders) servers.push(await start(contender))
    const micros = new Map<string, { own: number; redis: number }[]>()
    for (let round = 0; round <= ROUNDS; round++)
      for (const server of servers) {
        const before = [cpuMs(server.pid), await redisCpuMs()] as const
        await server.round()
        const after = [cpuMs(server.pid), await redisCpuMs()] as const
        const cost = (i: 0 | 1) => ((after[i] - before[i]) * 1000) / EVENTS
        if (round > 0)
          micros.set(server.name, [...(micros.get(server.name) ?? []), { own: cost(0), redis: cost(1) }])
      }
    printTable(
      ['access event', 'plugin server, CPU µs', 'Redis, CPU µs'],
      [...micros].map(([name, costs]) => [
        name,
        median(costs.map(({ own }) => own)).toFixed(1),
        median(costs.map(({ redis }) => redis)).toFixed(1),
      ]),
    )
  } finally {
    for (const server of servers) await server.close()
  }
}

type Call = () => Promise<unknown>

/** About as long as what a strict request sends and gets. */
const ARGUMENT = 'x'.repeat(330)
const ECHO = 'return ARGV[1]'

function client(redis: Redis, digest: string, gathers: boolean): { call: Call; close(): void } {
  return {
    close: () => redis.disconnect(),
    call() {
      const { stream } = redis
      if (gathers && stream && stream.writableCorked === 0) {
        stream.cork()
        setImmediate(() => stream.uncork())
      }
      return redis.evalsha(digest, 1, '{key}', ARGUMENT)
    },
  }
}

/** No client at all: a command that is ready is written, and each reply is as long as the others. */
function bare(place: { port: number; host: string } | { path: string }, digest: string) {
  const socket = connect(place)
  const command = `*5\r\n$7\r\nEVALSHA\r\n$40\r\n${digest}\r\n$1\r\n1\r\n$5\r\n{key}\r\n$${ARGUMENT.length}\r\n${ARGUMENT}\r\n`
  const length = `$${ARGUMENT.length}\r\n${ARGUMENT}\r\n`.length
  let waiting: (() => void)[] = []
  let text = ''
  let received = 0
  socket.on('data', chunk => {
    received += chunk.length
    for (; received >= length; received -= length) waiting.shift()!()
  })
  const call: Call = () => {
    if (text === '')
      setImmediate(() => {
        socket.write(text)
        text = ''
      })
    text += command
    return new Promise<void>(resolve => waiting.push(resolve))
  }
  const close = () => {
    waiting = []
    socket.destroy()
  }
  return { call, close }
}

async function costOf(call: Call, inFlight: number): Promise<number> {
  let left = EVENTS
  const { user, system } = process.cpuUsage()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await call()
    }),
  )
  const after = process.cpuUsage()
  return (after.user + after.system - user - system) / EVENTS
}

async function clients(port: number, socket: string, digest: string): Promise<void> {
  const tcp = { host: '127.0.0.1', port }
  const ways = {
    'ioredis, one write a turn': client(new Redis({ ...tcp, protocol: 2 }), digest, true),
    'the same over a unix socket': client(new Redis({ path: socket, protocol: 2 }), digest, true),
    'ioredis, enableAutoPipelining': client(
      new Redis({ ...tcp, protocol: 2, enableAutoPipelining: true }),
      digest,
      false,
    ),
    'no client': bare(tcp, digest),
    'no client over a unix socket': bare({ path: socket }, digest),
  }
  const rows: string[][] = []
  for (const [name, { call }] of Object.entries(ways)) {
    await costOf(call, 16)
    rows.push([name])
  }
  for (const inFlight of IN_FLIGHT) {
    const costs = Object.values(ways).map(() => [] as number[])
    for (let round = 0; round < ROUNDS; round++)
      for (const [i, { call }] of Object.values(ways).entries()) costs[i]!.push(await costOf(call, inFlight))
    for (const [i, row] of rows.entries()) row.push(median(costs[i]!).toFixed(1))
  }
  for (const { close } of Object.values(ways)) close()
  process.stdout.write('\n')
  printTable(['CPU µs of the client a call', ...IN_FLIGHT.map(count => `${count} in flight`)], rows)
}

const [port = 0] = await freePorts(1)
const socket = path.join(tmpdir(), `sluice-bench-${process.pid}.sock`)
const program = await findRedisProgram()
const redis = program.prepare({ port, save: '""', unixsocket: socket, unixsocketperm: 777 })
await redis.start()
const observer = new Redis({ host: '127.0.0.1', port })
observer.on('error', () => {})
try {
  const digest = String(await observer.script('LOAD', ECHO))
  const dist = path.resolve(import.meta.dirname, '..')
  const tcp = `redis://127.0.0.1:${port}`
  const before = process.env.SLUICE_BENCH_BEFORE
  await events(
    [
      ...(before ? [{ name: 'strict, TCP, before', dist: before, sync: 'strict', url: tcp } as const] : []),
      { name: 'strict, TCP', dist, sync: 'strict', url: tcp },
      { name: 'strict, unix socket', dist, sync: 'strict', url: `redis+unix://${socket}` },
      ...(before ? [{ name: 'leased, before', dist: before, sync: 'leased', url: tcp } as const] : []),
      { name: 'leased', dist, sync: 'leased', url: tcp },
    ],
    async () => {
      const text = await observer.info('cpu')
      const seconds = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0)
      return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
    },
  )
  await clients(port, socket, digest)
} finally {
  observer.disconnect()
  await redis.close()
}
