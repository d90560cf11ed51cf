/**
 * Every benchmark, one after the other: `make bench`, more than half an hour; `node dist/bench/run.js qos spool` for
 * some. Prints what each prints, then one table of what ran. Those that need a program which is not here are named
 * as left out, never passed over.
 */
import { spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { KONG } from './kong/processes.ts'

interface Benchmark {
  readonly name: string
  /** What is measured, against what. */
  readonly claim: string
  readonly args?: readonly string[]
  readonly nodeArgs?: readonly string[]
  /** Program that must be there. */
  readonly needs?: string
}

const BENCHMARKS: readonly Benchmark[] = [
  { name: 'events', claim: "CPU an event, against Kong's JavaScript plugin server" },
  { name: 'storm', claim: "every event rejected, against Kong's JavaScript plugin server" },
  { name: 'large-exit', claim: 'CPU an exit with a large body' },
  { name: 'start', claim: "start to the first answered event, against Kong's JavaScript plugin server" },
  { name: 'memory', claim: 'memory over ten million events', nodeArgs: ['--expose-gc'] },
  { name: 'fuzz', claim: 'one million mutated frames' },
  { name: 'qos', claim: 'decisions a second and bytes a subject, against rate-limiter-flexible' },
  {
    name: 'qos-exact/run',
    claim: 'budget kept by four processes beside burners and under stops',
    args: ['1'],
  },
  { name: 'qos-leasing', claim: 'overshoot of leasing, against reporting afterwards', args: ['--print'] },
  {
    name: 'qos-event',
    claim: 'CPU of a strict request in the plugin server and in Redis, against ioredis alone',
  },
  { name: 'overload', claim: 'who is served while a service saturates, with shedding and without' },
  { name: 'breaker', claim: 'decisions a second and memory, against cockatiel and opossum' },
  { name: 'breaker-event', claim: "CPU of the breaker's access event, over a plugin that does nothing" },
  { name: 'scale', claim: 'what many subjects and many instances take' },
  { name: 'breaker-walk', claim: "an upstream's bad days, through the gateway" },
  { name: 'log-event', claim: 'CPU of the access and the log event of `sluice`' },
  { name: 'token', claim: 'CPU of upstream tokens, against a key that is read each time' },
  { name: 'aggregate', claim: 'time that an aggregate adds, against a client that asks for the parts' },
  { name: 'spool', claim: 'events a second with group fsync, and how long a log phase waits' },
  { name: 'events-postgres', claim: 'rows a second, against COPY and against one insert an event' },
  { name: 'events-catchup', claim: 'catching up after an outage of a million events' },
  { name: 'manager-events', claim: 'from a log phase to whoever watches the stream of events' },
  { name: 'gateway', claim: 'requests a second of the local gateway, and its memory' },
  { name: 'apply', claim: 'plan and apply of a large state, against one request after another' },
  { name: 'discovery', claim: 'from Consul knowing of a change to Kong having it' },
  {
    name: 'kong/run',
    claim: "requests a second in a real Kong, against Kong's own plugins",
    needs: KONG,
  },
  {
    name: 'kong/latency',
    claim: 'latency at fixed rates in a real Kong, against its own plugins',
    needs: KONG,
  },
  {
    name: 'kong/cache',
    claim: "CPU of a cache hit in a real Kong, against Kong's own proxy-cache",
    needs: KONG,
  },
  {
    name: 'kong/many-routes',
    claim: 'from a change of 10,000 routes to the first decision by it, against rate-limiting',
    needs: KONG,
  },
]

interface Ran {
  readonly benchmark: Benchmark
  readonly seconds: number
  readonly outcome: string
}

const isThere = (program: string) => spawnSync(program, ['version'], { stdio: 'ignore' }).error === undefined

async function run(benchmark: Benchmark): Promise<Ran> {
  const { name, claim, args = [], nodeArgs = [], needs } = benchmark
  if (needs !== undefined && !isThere(needs))
    return { benchmark, seconds: 0, outcome: `left out: there is no \`${needs}\`` }
  process.stdout.write(`\n## ${name}: ${claim}\n\n`)
  const file = path.join(import.meta.dirname, `${name}.js`)
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...nodeArgs, file, ...args], { stdio: 'inherit' })
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
  const seconds = (performance.now() - startedAt) / 1000
  return { benchmark, seconds, outcome: code === 0 ? 'done' : `failed (${code})` }
}

const asked = process.argv.slice(2)
const unknown = asked.filter(name => !BENCHMARKS.some(benchmark => benchmark.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `there is no benchmark ${unknown.join(', ')}; there are ${BENCHMARKS.map(({ name }) => name).join(', ')}\n`,
  )
  process.exit(1)
}
const ran: Ran[] = []
for (const benchmark of BENCHMARKS)
  if (asked.length === 0 || asked.includes(benchmark.name)) ran.push(await run(benchmark))

process.stdout.write('\n| benchmark | what | seconds | outcome |\n| --- | --- | ---: | --- |\n')
for (const { benchmark, seconds, outcome } of ran)
  process.stdout.write(`| ${benchmark.name} | ${benchmark.claim} | ${Math.round(seconds)} | ${outcome} |\n`)
if (ran.some(({ outcome }) => outcome.startsWith('failed'))) process.exitCode = 1
