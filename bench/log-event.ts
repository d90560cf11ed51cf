/**
 * What a request costs in the plugin server where `sluice` has qos, breaker and audit: CPU time of its access event and
 * of its log event, over ProtoBuf:1 on a real socket. Kong's answers are those that were recorded from Kong 3.9.3.
 * `node dist/bench/log-event.js`; with `--profile` the server writes a CPU profile into the present folder.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogger } from '../foundation/log.ts'
import { readSettings } from '../foundation/settings.ts'
import { startServer } from '../plugin-server/main.ts'
import { type KongLane, openProtobufLane, replyOf } from './kong-lane.ts'
import { median } from './report.ts'

const CONNECTIONS = Number(process.env.CONNECTIONS ?? 16)
const REQUESTS = 16_000
const ROUNDS = 7
const RECORDED = path.resolve(
  import.meta.dirname,
  '../../test/contract/kong-reference/pdk/log-outcomes.jsonl',
)
const SERVICE = 'f03d2969-47a9-45c1-b909-bc46ef7d30b4'
const MEMBERS = {
  qos: {
    default_tier: 'all',
    tiers: {
      all: {
        limits: [
          { name: 'second', requests: 400_000, per: 1 },
          { name: 'minute', requests: 6_000_000, per: 60 },
          { name: 'hour', requests: 360_000_000, per: 3600 },
        ],
      },
    },
  },
  circuit_breaker: {},
  key_auth_audit: {},
}
/** Each row costs what the one before costs, and what it adds. */
const CASES: readonly (readonly [what: string, phases: readonly string[], config: object])[] = [
  ['access event', ['access'], MEMBERS],
  ['and a log event with the breaker', ['access', 'log'], { ...MEMBERS, key_auth_audit: undefined }],
  [
    'and the audit, which keeps nothing',
    ['access', 'log'],
    { ...MEMBERS, key_auth_audit: { sample: 0, first_seen: false } },
  ],
  ['and keeps every event', ['access', 'log'], MEMBERS],
]

async function serve(socket: string, folder: string): Promise<void> {
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_SPOOL_MAX_BYTES: '4000000000',
    SLUICE_HTTP: 'off',
    SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
  })
  const server = await startServer(settings, { log: createLogger('warn') })
  process.on('message', message => {
    if (message === 'cpu') {
      const { user, system } = process.cpuUsage()
      process.send?.(user + system)
    } else void server.close().then(() => process.exit(0))
  })
  process.send?.('ready')
}

/** Each log event has an id and a time of its own, as in Kong: the same again would be one event. */
function recordedLog(): () => Buffer {
  const [line = ''] = readFileSync(RECORDED, 'utf8').split('\n')
  const { log } = JSON.parse(line)
  log.consumer = { id: '617874d3-4bcb-46e2-be80-1d4dbbf6ed1b', username: 'eddie', created_at: 1795190171 }
  log.authenticated_entity = { id: '80a61457-175c-4fac-a75f-0c90d84b873f' }
  log.request.headers.apikey = 'bench-key'
  let n = 0
  const startMs = Date.now()
  return () => {
    n += 1
    log.request.id = n.toString(16).padStart(32, '0')
    log.started_at = startMs + n
    return replyOf('String', JSON.stringify(log))
  }
}

async function cpuMicros(server: ChildProcess): Promise<number> {
  const answer = once(server, 'message')
  server.send('cpu')
  const [micros] = (await answer) as [number]
  return micros
}

/** CPU time that the server spends on one request, microseconds. */
async function round(
  server: ChildProcess,
  lanes: readonly KongLane[],
  id: number,
  phases: readonly string[],
): Promise<number> {
  const before = await cpuMicros(server)
  await Promise.all(
    lanes.map(async lane => {
      for (let i = 0; i < REQUESTS / CONNECTIONS; i++) for (const phase of phases) await lane.event(id, phase)
    }),
  )
  return ((await cpuMicros(server)) - before) / REQUESTS
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'run', 'sluice.sock')
  const execArgv = process.argv.includes('--profile') ? ['--cpu-prof', '--cpu-prof-interval=200'] : []
  const server = fork(fileURLToPath(import.meta.url), [socket, folder], { execArgv })
  try {
    await once(server, 'message')
    const log = recordedLog()
    const answer = (method: string) => (method === 'kong.log.serialize' ? log() : undefined)
    const lanes = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => openProtobufLane(socket, answer)),
    )
    const [lane] = lanes
    const ids: number[] = []
    for (const [what, , config] of CASES)
      ids.push(await lane!.startInstance('sluice', { __plugin_id: what, service_id: SERVICE, ...config }))
    const micros = CASES.map((): number[] => [])
    for (let i = 0; i <= ROUNDS; i++)
      for (const [at, [, phases]] of CASES.entries()) {
        const one = await round(server, lanes, ids[at]!, phases)
        if (i > 0) micros[at]!.push(one)
      }
    for (const lane of lanes) lane.close()
    const rows = CASES.map(([what], at) => `| ${what} | ${median(micros[at]!).toFixed(1)} |`)
    const head = [
      '| plugin server, `sluice` with qos, breaker and audit | CPU µs a request |',
      '| --- | ---: |',
    ]
    process.stdout.write(`${[...head, ...rows].join('\n')}\n`)
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
