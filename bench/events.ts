/**
 * CPU of a plugin server per event, against Kong's own JavaScript one (kong-pdk) with the same plugins, driven by the
 * same client in one run. `node dist/bench/events.js [events]`; medians of three rounds; about two minutes, Linux only (CPU times from /proc).
 *
 * Both servers and the client share the machine, so what counts is CPU seconds of the server's process, not events
 * per second. kong-pdk speaks MsgPack:1 only.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cpuMs } from './cpu.ts'
import { type KongLane, openMsgpackLane, openProtobufLane } from './kong-lane.ts'
import { startKongPdk, writeModules } from './kong-pdk.ts'

const LANES = 16
const ROUNDS = 3
const EVENTS = Number(process.argv[2] ?? 40_000)
interface Contender {
  readonly name: string
  readonly start: (folder: string, socket: string) => ChildProcess
  readonly open: (socket: string) => Promise<KongLane>
}

const KONG_PDK_PLUGINS: Readonly<Record<string, string>> = {
  'calls-0': 'async access(kong) {}',
  'calls-2': `async access(kong) {
    const consumer = await kong.client.getConsumer()
    await kong.response.setHeaders({ 'x-consumer': consumer.username, 'x-limit': '100' })
  }`,
  'calls-8': `async access(kong) {
    const consumer = await kong.client.getConsumer()
    await kong.client.getCredential()
    await kong.router.getService()
    await kong.router.getRoute()
    await kong.request.getMethod()
    await kong.request.getPath()
    await kong.log.notice('seen')
    await kong.response.setHeaders({ 'x-consumer': consumer.username, 'x-limit': '100' })
  }`,
}

function startPdk(folder: string, socket: string): ChildProcess {
  const modules = Object.entries(KONG_PDK_PLUGINS).map(([name, access]) => [
    name,
    `class P { constructor(config) { this.config = config } ${access} }
     module.exports = { Plugin: P, Name: '${name}', Version: '1.0.0', Priority: 1, Schema: [] }`,
  ])
  const plugins = writeModules(path.join(folder, 'kong-pdk-plugins'), Object.fromEntries(modules))
  return startKongPdk(plugins, socket)
}

function startSluice(folder: string, socket: string): ChildProcess {
  const server = new URL('./servers/sluice-server.js', import.meta.url).pathname
  return spawn(process.execPath, [server, socket, path.join(folder, 'spool')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

const CONTENDERS: readonly Contender[] = [
  { name: 'kong-pdk 0.6.0, MsgPack:1', start: startPdk, open: openMsgpackLane },
  { name: 'Sluice, MsgPack:1', start: startSluice, open: openMsgpackLane },
  { name: 'Sluice, ProtoBuf:1', start: startSluice, open: openProtobufLane },
]

interface Measured {
  readonly name: string
  readonly firstAnswerMs: number
  readonly idleMb: number
  /** By plugin: microseconds of CPU an event, and events a second. */
  readonly events: Readonly<Record<string, { readonly micros: number; readonly perSecond: number }>>
}

async function measure({ name, start, open }: Contender): Promise<Measured> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'server.sock')
  const begunAt = performance.now()
  const server = start(folder, socket)
  const exited = new Promise(resolve => server.once('exit', resolve))
  try {
    const first = await firstLane(open, socket, () => {
      if (server.exitCode !== null) throw new Error(`${name} ended at its start`)
    })
    const config = { __plugin_id: 'bench', __seq__: 1 }
    await first.event(await first.startInstance('calls-2', config), 'access')
    const firstAnswerMs = performance.now() - begunAt
    await pause(500)
    const idleMb =
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) / 1024

    const lanes = [first, ...(await Promise.all(Array.from({ length: LANES - 1 }, () => open(socket))))]
    const events: Record<string, { micros: number; perSecond: number }> = {}
    for (const plugin of Object.keys(KONG_PDK_PLUGINS)) {
      const id = await first.startInstance(plugin, config)
      const run = (count: number) =>
        Promise.all(
          lanes.map(async lane => {
            for (let i = 0; i < count / LANES; i++) await lane.event(id, 'access')
          }),
        )
      await run(EVENTS / 3)
      const cpuBefore = cpuMs(server.pid!)
      const before = performance.now()
      await run(EVENTS)
      const seconds = (performance.now() - before) / 1000
      events[plugin] = {
        micros: ((cpuMs(server.pid!) - cpuBefore) * 1000) / EVENTS,
        perSecond: EVENTS / seconds,
      }
    }
    for (const lane of lanes) lane.close()
    return { name, firstAnswerMs, idleMb, events }
  } finally {
    server.kill()
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The socket's file may be there before anyone listens. */
async function firstLane(open: Contender['open'], socket: string, check: () => void): Promise<KongLane> {
  for (;;) {
    check()
    try {
      return await open(socket)
    } catch {
      await pause(2)
    }
  }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** The median of each figure. */
function joined(rounds: readonly Measured[]): Measured {
  const median = (values: readonly number[]) =>
    [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)]!
  const { name, events } = rounds[0]!
  return {
    name,
    firstAnswerMs: median(rounds.map(round => round.firstAnswerMs)),
    idleMb: median(rounds.map(round => round.idleMb)),
    events: Object.fromEntries(
      Object.keys(events).map(plugin => [
        plugin,
        {
          micros: median(rounds.map(round => round.events[plugin]!.micros)),
          perSecond: median(rounds.map(round => round.events[plugin]!.perSecond)),
        },
      ]),
    ),
  }
}

/** One after the other, round after round, so that a busy moment of the machine does not fall on one of them alone. */
const rounds: Measured[][] = CONTENDERS.map(() => [])
for (let round = 0; round < ROUNDS; round++)
  for (const [index, contender] of CONTENDERS.entries()) rounds[index]!.push(await measure(contender))
const results = rounds.map(joined)
const reference = results[0]!
const columns = Object.keys(KONG_PDK_PLUGINS)
const rows = results.map(result => [
  result.name,
  ...columns.map(plugin => {
    const { micros, perSecond } = result.events[plugin]!
    const ratio = micros / reference.events[plugin]!.micros
    return `${micros.toFixed(1)} µs (${ratio.toFixed(2)} ×), ${Math.round(perSecond)}/s`
  }),
  `${Math.round(result.firstAnswerMs)} ms`,
  `${Math.round(result.idleMb)} MB`,
])
const head = [
  'server',
  ...columns.map(plugin => `CPU an event, ${plugin.slice(6)} PDK calls`),
  'first answer',
  'idle',
]
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
process.stdout.write(line(head) + line(head.map(() => '---')) + rows.map(line).join(''))
