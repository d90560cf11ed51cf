/**
 * CPU of a plugin server per event, against Kong's own JavaScript one (kong-pdk) with the same plugins, driven by the
 * same client in one run. `node dist/bench/events.js [events]`; medians of three rounds; about two minutes.
 *
 * Both servers and the client share the machine, so what counts is CPU seconds of the server's process, not events
 * per second.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMs } from './cpu.ts'
import { CONTENDERS, type Contender, withServer } from './plugin-servers.ts'
import { median, printTable } from './report.ts'

const LANES = 16
const ROUNDS = 3
const EVENTS = Number(process.argv[2] ?? 40_000)
const PLUGINS = ['calls-0', 'calls-2', 'calls-8']

interface Measured {
  readonly idleMb: number
  /** By plugin: microseconds of CPU an event, and events a second. */
  readonly events: Readonly<Record<string, { readonly micros: number; readonly perSecond: number }>>
}

function measure(contender: Contender): Promise<Measured> {
  return withServer(contender, async ({ pid, socket, lane: first }) => {
    const config = { __plugin_id: 'bench', __seq__: 1 }
    await first.event(await first.startInstance('calls-2', config), 'access')
    await pause(500)
    const idleMb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

    const others = Array.from({ length: LANES - 1 }, () => contender.open(socket))
    const lanes = [first, ...(await Promise.all(others))]
    const events: Record<string, { micros: number; perSecond: number }> = {}
    for (const plugin of PLUGINS) {
      const id = await first.startInstance(plugin, config)
      const run = (count: number) =>
        Promise.all(
          lanes.map(async lane => {
            for (let i = 0; i < count / LANES; i++) await lane.event(id, 'access')
          }),
        )
      await run(EVENTS / 3)
      const cpuBefore = cpuMs(pid)
      const before = performance.now()
      await run(EVENTS)
      const seconds = (performance.now() - before) / 1000
      events[plugin] = { micros: ((cpuMs(pid) - cpuBefore) * 1000) / EVENTS, perSecond: EVENTS / seconds }
    }
    for (const lane of lanes) lane.close()
    return { idleMb, events }
  })
}

/** One after the other, round after round, so that a busy moment of the machine does not fall on one of them alone. */
const rounds: Measured[][] = CONTENDERS.map(() => [])
for (let round = 0; round < ROUNDS; round++)
  for (const [index, contender] of CONTENDERS.entries()) rounds[index]!.push(await measure(contender))

const of = (index: number, take: (measured: Measured) => number) => median(rounds[index]!.map(take))
printTable(
  ['server', ...PLUGINS.map(plugin => `CPU an event, ${plugin.slice(6)} PDK calls`), 'idle'],
  CONTENDERS.map(({ name, protocol }, index) => [
    `${name}, ${protocol}`,
    ...PLUGINS.map(plugin => {
      const micros = of(index, ({ events }) => events[plugin]!.micros)
      const ratio = micros / of(0, ({ events }) => events[plugin]!.micros)
      const perSecond = of(index, ({ events }) => events[plugin]!.perSecond)
      return `${micros.toFixed(1)} µs (${ratio.toFixed(2)} ×), ${Math.round(perSecond)}/s`
    }),
    `${Math.round(of(index, ({ idleMb }) => idleMb))} MB`,
  ]),
)
