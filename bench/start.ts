/**
 * From the making of the process to the first answered event: `sluice serve` with all its plugins, and Kong's own
 * JavaScript plugin server (kong-pdk) with four small ones, started by turns. `node dist/bench/start.js [starts]`;
 * medians; under a minute. On a busy machine the CPU time says more than the clock.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { cpuMs } from './cpu.ts'
import { CONTENDERS, type Contender, withServer } from './plugin-servers.ts'
import { median, printTable } from './report.ts'

const STARTS = Number(process.argv[2] ?? 11)

type Starter = Pick<Contender, 'name' | 'start' | 'open'> & {
  readonly plugin: string
  readonly config: object
}

const [kongPdk, , sluice] = CONTENDERS as [Contender, Contender, Contender]
const CLI = path.resolve(import.meta.dirname, '../cli/sluice.js')
const STARTERS: readonly Starter[] = [
  { ...kongPdk, plugin: 'calls-2', config: {} },
  {
    ...sluice,
    name: 'sluice serve',
    start: (folder, socket) =>
      spawn(process.execPath, [CLI, 'serve'], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: {
          ...process.env,
          SLUICE_SOCKET: socket,
          SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
          SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
          SLUICE_HTTP: 'off',
          SLUICE_LOG_LEVEL: 'error',
        },
      }),
    plugin: 'qos',
    config: {
      default_tier: 'bronze',
      tiers: { bronze: { limits: [{ name: 'minute', requests: 100, per: 60 }] } },
    },
  },
]

function measure(starter: Starter): Promise<{ readonly ms: number; readonly cpu: number }> {
  return withServer(starter, async ({ pid, lane, begunAt }) => {
    const config = { ...starter.config, __plugin_id: 'bench', __seq__: 1 }
    await lane.event(await lane.startInstance(starter.plugin, config), 'access')
    const measured = { ms: performance.now() - begunAt, cpu: cpuMs(pid) }
    lane.close()
    return measured
  })
}

const rounds = STARTERS.map((): Awaited<ReturnType<typeof measure>>[] => [])
for (let start = 0; start < STARTS; start++)
  for (const [index, starter] of STARTERS.entries()) rounds[index]!.push(await measure(starter))

const peerMs = median(rounds[0]!.map(({ ms }) => ms))
printTable(
  ['server', 'first answer, median', 'fastest', 'slowest', 'CPU until then, median'],
  STARTERS.map(({ name }, index) => {
    const times = rounds[index]!.map(({ ms }) => ms)
    return [
      name,
      `${Math.round(median(times))} ms (${(median(times) / peerMs).toFixed(2)} ×)`,
      `${Math.round(Math.min(...times))} ms`,
      `${Math.round(Math.max(...times))} ms`,
      `${Math.round(median(rounds[index]!.map(({ cpu }) => cpu)))} ms`,
    ]
  }),
)
