/**
 * What a cache hit costs the plugin server: CPU time of its access event, beside the floor (a plugin that asks nothing
 * and exits with the same answer) and beside another build, whose `dist` folder SLUICE_BENCH_BEFORE names. Kong's side
 * is played as Kong plays it: a connection a hit, and each reply in two writes. Rounds go round all, so that what else
 * the machine does hits all of them. `node dist/bench/cache-event.js [rounds] [hits]`
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { FrameSplitter } from '../protocol/frames.ts'
import { METHODS, type Method } from '../protocol/pdk/table.ts'
import { readRpcReturn, writeRpcCall } from '../protocol/rpc.ts'
import { TYPES } from '../protocol/types.ts'
import { WireReader } from '../protocol/wire.ts'
import { cpuMs } from './cpu.ts'
import { frame, replyOf } from './kong-lane.ts'
import { median, printTable } from './report.ts'

const ROUNDS = Number(process.argv[2] ?? 9)
const HITS = Number(process.argv[3] ?? 5000)
const LANES = 16
const BODY_BYTES = 1000
const DIST = path.resolve(import.meta.dirname, '..')
const BEFORE = process.env.SLUICE_BENCH_BEFORE

interface Case {
  readonly name: string
  readonly dist: string
  readonly plugin: 'response-cache' | 'exit-body'
  readonly config: object
}

const CASES: readonly Case[] = [
  { name: 'exit only', dist: DIST, plugin: 'exit-body', config: { bytes: BODY_BYTES } },
  ...(BEFORE === undefined
    ? []
    : [{ name: 'a hit, before', dist: BEFORE, plugin: 'response-cache' as const, config: {} }]),
  { name: 'a hit', dist: DIST, plugin: 'response-cache', config: {} },
  {
    name: 'a hit, two questions',
    dist: DIST,
    plugin: 'response-cache',
    config: { consumer: 'fields', scheme: 'http' },
  },
]

/** As a browser sends them. */
const REQUEST_HEADERS = {
  host: 'shop.example',
  accept: 'application/json',
  'accept-encoding': 'gzip, deflate, br, zstd',
  'accept-language': 'en-GB,en;q=0.9',
  authorization: 'Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjAxMjM0NTY3ODkifQ.e30.c2lnbmF0dXJl',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0',
  'x-consumer-id': '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8',
  'x-consumer-username': 'eddie',
}

/** Kong's answers, by method; what is not here gets an empty one. */
const ANSWERS: Partial<Record<Method, unknown>> = {
  'kong.nginx.get_var': 'GET /products?limit=20&category=tea HTTP/1.1',
  'kong.request.get_headers': REQUEST_HEADERS,
  'kong.request.get_forwarded_scheme': 'http',
  'kong.client.get_consumer': { id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8', username: 'eddie' },
  'kong.response.get_status': 200,
  'kong.response.get_headers': {
    'content-type': 'application/json',
    'cache-control': 'max-age=3600',
    etag: '"bench"',
    date: 'Sun, 01 Mar 2026 12:00:00 GMT',
  },
  'kong.service.response.get_raw_body': Buffer.alloc(BODY_BYTES, 'x'),
}

interface Outcome {
  readonly isExit: boolean
  /** What the event has set in Kong's context. */
  readonly shared: ReadonlyMap<string, unknown>
}

/** One event over a connection of its own. */
function event(socketPath: string, instanceId: number, phase: string, given: Outcome['shared']) {
  return new Promise<Outcome>((resolve, reject) => {
    const socket = connect(socketPath).setNoDelay(true)
    const shared = new Map(given)
    const splitter = new FrameSplitter(1 << 26)
    let method: Method | '' | undefined
    socket.on('error', reject)
    socket.on('connect', () =>
      socket.write(frame(w => writeRpcCall(w, { kind: 'handle_event', sequence: 1, instanceId, phase }))),
    )
    const finish = (isExit: boolean) => {
      socket.destroy()
      resolve({ isExit, shared })
      return false
    }
    socket.on('data', chunk =>
      splitter.push(chunk, (bytes, start, end) => {
        if (method === undefined) {
          method = bytes.toString('latin1', start, end) as Method | ''
          return true
        }
        if (method === '' || method === 'kong.response.exit') return finish(method !== '')
        const reply = answer(method, new WireReader(bytes, start, end), shared)
        socket.write(reply.subarray(0, 4))
        if (reply.length > 4) socket.write(reply.subarray(4))
        method = undefined
        return true
      }),
    )
  })
}

function answer(method: Method, reader: WireReader, shared: Map<string, unknown>): Buffer {
  const [input, output] = METHODS[method] ?? ['Empty', 'Empty']
  const [name, value] = TYPES[input].read(reader)
  if (method === 'kong.ctx.shared.set') shared.set(String(name), value)
  const found = method === 'kong.ctx.shared.get' ? shared.get(String(name)) : ANSWERS[method]
  return replyOf(output, found)
}

async function startInstance(socketPath: string, { plugin: name, config }: Case): Promise<number> {
  const socket = connect(socketPath)
  await once(socket, 'connect')
  const text = JSON.stringify({ __plugin_id: 'bench', route_id: 'r', ...config })
  socket.write(frame(w => writeRpcCall(w, { kind: 'start_instance', sequence: 1, name, config: text })))
  const splitter = new FrameSplitter(1 << 20)
  return new Promise(resolve => {
    socket.on('data', chunk =>
      splitter.push(chunk, (bytes, start, end) => {
        socket.destroy()
        resolve(readRpcReturn(new WireReader(bytes, start, end)).status?.id ?? 0)
        return false
      }),
    )
  })
}

interface Running {
  readonly name: string
  round(): Promise<number>
  close(): Promise<void>
}

async function start(one: Case, folder: string): Promise<Running> {
  const socket = path.join(folder, 'sluice.sock')
  const child = serve(one, folder, socket)
  while (!existsSync(socket)) await pause(20)
  const instance = await startInstance(socket, one)
  const access = () => event(socket, instance, 'access', new Map())
  if (one.plugin === 'response-cache') {
    const { shared } = await access()
    await event(socket, instance, 'response', shared)
  }
  return {
    name: one.name,
    async round() {
      const before = cpuMs(child.pid ?? 0)
      await Promise.all(
        Array.from({ length: LANES }, async () => {
          for (let i = 0; i < HITS / LANES; i++)
            if (!(await access()).isExit) throw new Error(`${one.name}: no hit`)
        }),
      )
      return ((cpuMs(child.pid ?? 0) - before) * 1000) / HITS
    },
    async close() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function serve({ dist, plugin }: Case, folder: string, socket: string): ChildProcess {
  const plugins = path.join(folder, 'plugins')
  mkdirSync(plugins)
  const { href } = pathToFileURL(path.join(dist, 'bench/kong/plugins/exit-body.js'))
  writeFileSync(path.join(plugins, 'exit-body.mjs'), `export { plugin } from '${href}'\n`)
  const args = [path.join(dist, 'cli/sluice.js'), 'serve', '--socket', socket, '--http', 'off']
  return spawn(process.execPath, plugin === 'exit-body' ? [...args, '--plugins', plugins] : args, {
    env: {
      PATH: process.env.PATH,
      SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
      SLUICE_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
const running: Running[] = []
try {
  for (const [index, one] of CASES.entries()) {
    const own = path.join(folder, String(index))
    mkdirSync(own)
    running.push(await start(one, own))
  }
  const micros = new Map<string, number[]>(running.map(({ name }) => [name, []]))
  // The first rounds are for the compiler.
  for (let round = -2; round < ROUNDS; round++)
    for (const { name, round: run } of running) {
      const cost = await run()
      if (round >= 0) micros.get(name)?.push(cost)
    }
  printTable(
    ['access event', 'plugin server, CPU µs', 'lowest'],
    [...micros].map(([name, costs]) => [name, median(costs).toFixed(1), Math.min(...costs).toFixed(1)]),
  )
} finally {
  for (const one of running) await one.close()
  rmSync(folder, { recursive: true, force: true })
}
