/**
 * What plugins add to the latency of requests in a real Kong, by an open-loop load at fixed rates (bench/kong/open-loop.ts).
 *
 *     node dist/bench/kong/latency.js [starts] [seconds] [--write]
 *
 * The rates are the same for all: 30 and 80 % of what Kong serves with its own rate-limiting in Redis, measured at the
 * start of each run. What is added is the difference of the quantiles to key-auth alone at the same rate, in the same
 * start. Needs what bench/kong/run.ts needs; `SLUICE_BENCH_GO_PLUGIN` names a plugin built with go-pdk. `--write` puts
 * the table into docs/benchmarks.md.
 */
import { median, tableOf, writeIntoDocs } from '../report.ts'
import { type OpenResult, openLoad, quantile } from './open-loop.ts'
import { load } from './processes.ts'
import { prepareStack } from './stack.ts'

const numbers = process.argv.slice(2).filter(argument => /^\d+$/.test(argument))
const STARTS = Number(numbers[0] ?? 3)
const SECONDS = Number(numbers[1] ?? 5)
const WARM_SECONDS = 2
const CONNECTIONS = 64
const SHARES = [0.3, 0.8] as const
const PLAIN = 'plain'
const PEER = 'rl-redis'
const CASES = [PLAIN, 'calls-2', 'qos-leased', 'qos-strict', 'rl-local', PEER, 'pdk-calls-2', 'pdk-qos', 'go']

interface Seen {
  readonly p50: number
  readonly p99: number
}
/** By case and share. */
const seen = new Map<string, Seen[]>()
const lateness: number[] = []
const rates: number[] = []

const stack = await prepareStack(CASES)
try {
  for (let start = 0; start < STARTS; start++) await runOnce(start)
} finally {
  await stack.close()
}
const table = tableOf(
  ['case', ...SHARES.flatMap(share => [`p50 at ${share * 100} %`, `p99 at ${share * 100} %`])],
  stack.cases.map(({ name, title }) => [title, ...SHARES.flatMap(share => cells(name, share))]),
)
const note = `Medians of ${STARTS} starts, ${SECONDS} s each, ${CONNECTIONS} connections; 100 % are ${median(rates).toFixed(0)} requests a second. The generator's own lateness, in all rows alike: p99 ${median(lateness).toFixed(2)} ms.\n`
process.stdout.write(`${table}\n${note}`)
if (process.argv.includes('--write'))
  writeIntoDocs('benchmarks.md', 'bench/kong/latency.ts', `${table}\n${note}`)

async function runOnce(start: number): Promise<void> {
  const running = await stack.start()
  try {
    const url = (name: string) => `http://127.0.0.1:${running.port}/${name}`
    for (const { name } of stack.cases) await load(url(name), 16, WARM_SECONDS)
    const perSecond = (await load(url(PEER), 16, SECONDS)).requestsPerSecond
    rates.push(perSecond)
    const order = start % 2 === 0 ? stack.cases : [...stack.cases].reverse()
    for (const share of SHARES)
      for (const { name } of order) keep(name, share, await measure(running.port, name, share * perSecond))
    process.stderr.write(`start ${start + 1} of ${STARTS} done\n`)
  } finally {
    await running.stop()
  }
}

async function measure(port: number, name: string, perSecond: number): Promise<OpenResult> {
  const result = await openLoad({
    port,
    path: `/${name}`,
    headers: { apikey: 'bench-key' },
    perSecond,
    seconds: SECONDS,
    warmSeconds: 1,
    connections: CONNECTIONS,
  })
  if (result.others > 0) throw new Error(`${name}: ${result.others} answers were not 2xx`)
  return result
}

function keep(name: string, share: number, { latenciesMs, latenessP99Ms }: OpenResult): void {
  const key = `${name} ${share}`
  const one = { p50: quantile(latenciesMs, 0.5), p99: quantile(latenciesMs, 0.99) }
  seen.set(key, [...(seen.get(key) ?? []), one])
  lateness.push(latenessP99Ms)
}

/** Of key-auth alone the latency itself, of all others what they add to it. */
function cells(name: string, share: number): string[] {
  const own = seen.get(`${name} ${share}`) ?? []
  const plain = seen.get(`${PLAIN} ${share}`) ?? []
  return (['p50', 'p99'] as const).map(which => {
    if (name === PLAIN) return `${median(own.map(one => one[which])).toFixed(2)} ms`
    const added = median(own.map((one, start) => one[which] - (plain[start]?.[which] ?? Number.NaN)))
    return `${added < 0 ? '−' : '+'} ${Math.abs(added).toFixed(2)} ms`
  })
}
