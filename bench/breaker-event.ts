/**
 * What the circuit breaker costs in the plugin server: CPU time of its access event while it is closed, over that of
 * a plugin that does nothing, both over ProtoBuf:1 on a real socket. The server is a process of its own; rounds of
 * the two alternate, so that what else the machine does hits both. `node dist/bench/breaker-event.js`
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogger } from '../foundation/log.ts'
import { readSettings } from '../foundation/settings.ts'
import { startServer } from '../plugin-server/main.ts'
import { plugin as circuitBreaker } from '../plugins/circuit-breaker/plugin.ts'
import { definePlugin, Type } from '../sdk/sdk.ts'
import { connectProtobuf, type KongConnection } from '../test/support/fake-kong.ts'
import { median } from './report.ts'

const CONNECTIONS = 16
const EVENTS_PER_ROUND = 40_000
const ROUNDS = 9

const idle = definePlugin({
  name: 'idle',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: { access() {} },
})

async function serve(socket: string, folder: string): Promise<void> {
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_HTTP: 'off',
  })
  const server = await startServer(settings, {
    plugins: [idle, circuitBreaker],
    log: createLogger('silent'),
  })
  process.on('message', message => {
    if (message === 'cpu') {
      const { user, system } = process.cpuUsage()
      process.send!(user + system)
    } else void server.close().then(() => process.exit(0))
  })
  process.send!('ready')
}

async function cpuMicros(server: ChildProcess): Promise<number> {
  const answer = once(server, 'message')
  server.send('cpu')
  const [micros] = (await answer) as [number]
  return micros
}

/** CPU time that the server spends on one event, microseconds. */
async function round(server: ChildProcess, lines: readonly KongConnection[], id: number): Promise<number> {
  const before = await cpuMicros(server)
  await Promise.all(
    lines.map(async line => {
      for (let i = 0; i < EVENTS_PER_ROUND / CONNECTIONS; i++) {
        const { outcome, calls } = await line.event(id, 'access')
        if (outcome !== 'ended' || calls.length > 0) throw new Error(`${outcome}, ${calls.length} calls`)
      }
    }),
  )
  return ((await cpuMicros(server)) - before) / EVENTS_PER_ROUND
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'run', 'sluice.sock')
  const server = fork(fileURLToPath(import.meta.url), [socket, folder])
  try {
    await once(server, 'message')
    const lines = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectProtobuf(socket)))
    const idleId = await lines[0]!.startInstance('idle', { __plugin_id: 'a' })
    const breakerId = await lines[0]!.startInstance('circuit-breaker', { __plugin_id: 'b', service_id: 's' })
    const idleMicros: number[] = []
    const breakerMicros: number[] = []
    for (let i = 0; i <= ROUNDS; i++) {
      const one = await round(server, lines, idleId)
      const other = await round(server, lines, breakerId)
      if (i === 0) continue
      idleMicros.push(one)
      breakerMicros.push(other)
    }
    for (const line of lines) line.close()
    const over = median(breakerMicros.map((micros, i) => micros - idleMicros[i]!))
    process.stdout.write(
      [
        '| access event in the plugin server | CPU µs |',
        '| --- | --- |',
        `| a plugin that does nothing | ${median(idleMicros).toFixed(2)} |`,
        `| circuit-breaker, closed | ${median(breakerMicros).toFixed(2)} |`,
        `| over nothing (goal: ≤ 1) | ${over.toFixed(2)} |`,
        '',
      ].join('\n'),
    )
  } finally {
    const ended = once(server, 'exit')
    server.send('close')
    await ended
    rmSync(folder, { recursive: true })
  }
}

const [socket, folder] = process.argv.slice(2)
if (socket !== undefined && folder !== undefined) await serve(socket, folder)
else await measure()
