/**
 * Requests per second through a real Kong: our plugins beside Kong's own, in one run.
 *
 *     node dist/bench/kong/run.js [starts] [seconds] [case,case,…] [--write]
 *
 * Kong's JIT makes single starts vary by a third, so Kong is started several times and the medians are compared. One
 * Kong worker, one plugin server process, one Redis; everything on loopback and on this machine. The cases of one
 * start follow each other, in another order each time. `SLUICE_TEST_KONG_COMMAND` names Kong's command line; `--write`
 * puts the tables into docs/benchmarks.md.
 *
 * Beside the rates stands what a request costs in CPU time, process by process: who is the bottleneck of a case shows
 * there, and it is told by the kernel, so it varies less than the rates. The table of ratios is of CPU times: of all
 * three processes, and of Kong's alone, which bounds a node whose other cores are free.
 */

import { median, tableOf, writeIntoDocs } from '../report.ts'
import type { Case } from './cases.ts'
import { type Load, load } from './processes.ts'
import { PARTS, type Part, prepareStack, type RunningKong } from './stack.ts'

const IS_WRITTEN = process.argv.includes('--write')
const [starts, seconds, only] = process.argv.slice(2).filter(argument => argument !== '--write')
const STARTS = Number(starts ?? 5)
const SECONDS = Number(seconds ?? 5)
const WARM_REQUESTS = 20_000
/** Of two seconds each: a busy machine does not get there. */
const WARM_TURNS = 5

/** Pairs of ours and its peer, with the goal for the ratio of their CPU times. */
const PAIRS: readonly (readonly [ours: string, peer: string, goal?: number])[] = [
  ['qos-leased', 'rl-local', 0.75],
  ['qos-strict', 'rl-redis', 0.7],
  ['qos-strict', 'rl-redis-3', 0.42],
  ['qos-leased-no-fields', 'rl-local', 0.75],
  ['qos-service', 'rl-local', 0.75],
  ['calls-2', 'rl-local'],
  ['calls-2', 'pdk-calls-2'],
  ['qos-strict', 'pdk-qos'],
  ['sluice', 'rl-and-log'],
  ['sluice-received', 'rl-and-log'],
  ['sluice-log', 'rl-and-log', 0.95],
  ['sluice-log-received', 'rl-and-log', 0.95],
  ['floor', 'rl-and-log'],
  ['log-first', 'log-serialize'],
  ['token', 'header'],
  ['request-log', 'file-log'],
  ['reject-qos', 'reject-rl-redis', 1.2],
  ['exit-0', 'reject-rl-redis'],
  ['exit-1', 'reject-rl-redis'],
]

interface Measured extends Load {
  /** CPU time a request, in microseconds. */
  readonly micros: Readonly<Record<Part, number>>
}

const stack = await prepareStack(only?.split(','))
const { cases } = stack
const results = new Map<string, Measured[]>(cases.map(({ name }) => [name, []]))
try {
  for (let start = 0; start < STARTS; start++) await runOnce(start)
  print()
} finally {
  await stack.close()
}

async function runOnce(start: number): Promise<void> {
  const running = await stack.start()
  try {
    const order = start % 2 === 0 ? cases : [...cases].reverse()
    for (const one of order) await measure(one, running)
    process.stderr.write(`start ${start + 1} of ${STARTS} done\n`)
  } finally {
    await running.stop()
  }
}

async function measure({ name }: Case, { port, cpu }: RunningKong): Promise<void> {
  const url = `http://127.0.0.1:${port}/${name}`
  const { status } = await fetch(url, { headers: { apikey: 'bench-key' } })
  if (status !== 200 && status !== 429) throw new Error(`${name}: Kong answered ${status}`)
  await warm(url)
  const before = await cpu()
  const loaded = await load(url, 16, SECONDS)
  const after = await cpu()
  const micros = (part: Part) => ((after[part] - before[part]) * 1000) / loaded.requests
  results.get(name)!.push({
    ...loaded,
    micros: { Kong: micros('Kong'), 'plugin server': micros('plugin server'), Redis: micros('Redis') },
  })
}

/** Until both compilers, LuaJIT's and V8's, have seen the case's code some thousand times; a node runs for weeks. */
async function warm(url: string): Promise<void> {
  for (let requests = 0, turns = 0; requests < WARM_REQUESTS && turns < WARM_TURNS; turns++)
    requests += (await load(url, 16, 2)).requests
}

function rate(name: string): number {
  return median(results.get(name)!.map(one => one.requestsPerSecond))
}

/** CPU time a request in these processes, in microseconds. */
function cpuMicros(name: string, parts: readonly Part[]): number {
  return median(results.get(name)!.map(one => parts.reduce((sum, part) => sum + one.micros[part], 0)))
}

function print(): void {
  const text = `Medians of ${STARTS} starts of Kong, 16 connections, ${SECONDS} s each.\n\n${costs()}\nThe CPU time of ours beside that of its peer, of all processes and of Kong alone:\n\n${ratios()}`
  process.stdout.write(text)
  if (IS_WRITTEN) writeIntoDocs('benchmarks.md', 'bench/kong/run.ts', text)
}

function costs(): string {
  return tableOf(
    [
      'case',
      'requests/s',
      'lowest',
      'highest',
      'not 2xx',
      'errors',
      ...PARTS.map(part => `${part}, µs`),
      'sum, µs',
    ],
    cases.map(({ name, title }) => {
      const loads = results.get(name)!
      const rates = loads.map(one => Math.round(one.requestsPerSecond))
      return [
        title,
        rate(name).toFixed(0),
        String(Math.min(...rates)),
        String(Math.max(...rates)),
        `${(median(loads.map(one => one.otherShare)) * 100).toFixed(1)} %`,
        String(loads.reduce((sum, one) => sum + one.socketErrors, 0)),
        ...PARTS.map(part => cpuMicros(name, [part]).toFixed(0)),
        cpuMicros(name, PARTS).toFixed(0),
      ]
    }),
  )
}

function ratios(): string {
  const titles = new Map(cases.map(({ name, title }) => [name, title]))
  return tableOf(
    ['ours', 'its peer', 'CPU', 'goal', "Kong's CPU", 'requests/s'],
    PAIRS.filter(([ours, peer]) => results.has(ours) && results.has(peer)).map(([ours, peer, goal]) => {
      const cpu = (parts: readonly Part[]) =>
        `${(cpuMicros(ours, parts) / cpuMicros(peer, parts)).toFixed(2)} ×`
      return [
        titles.get(ours) ?? ours,
        titles.get(peer) ?? peer,
        cpu(PARTS),
        goal === undefined ? '' : `${goal} ×`,
        cpu(['Kong']),
        `${(rate(ours) / rate(peer)).toFixed(2)} ×`,
      ]
    }),
  )
}
