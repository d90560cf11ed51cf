/**
 * Decisions per second of the circuit breaker beside cockatiel and opossum, closed and open, and the memory that a
 * breaker takes when there are 10,000. Each contender runs in a process of its own; no HTTP, no Redis.
 * `node dist/bench/breaker.js`; about a minute. With --write it also puts the table into the plugin's README. What
 * the plugin costs in the plugin server: bench/breaker-event.ts.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ConsecutiveBreaker, circuitBreaker, handleAll, SamplingBreaker } from 'cockatiel'
import Opossum from 'opossum'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { MemoryStore } from '../plugin-server/stores/memory.ts'
import type { Call } from '../plugins/circuit-breaker/classify.ts'
import { readConfig } from '../plugins/circuit-breaker/config.ts'
import { BreakerRegistry } from '../plugins/circuit-breaker/registry.ts'
import { standardConfig } from './breaker-config.ts'
import { insertTable } from './breaker-readme.ts'
import { median } from './report.ts'

const BREAKERS = 10_000
const CALLS_EACH = 20
const TURNS = 3
const ROUNDS = 5
const ROUND_MS = 500
const BATCH = 1000

/** One protected call that succeeds, and one that is refused. */
interface Contender {
  create(index: number): Breaker | Promise<Breaker>
}
interface Breaker {
  succeed(): unknown
  trip(): Promise<void>
  refused(): unknown
}

const answer = async (): Promise<string> => 'ok'
const fail = async (): Promise<string> => {
  throw new Error('failed')
}
const ignore = (): void => {}

function sluice(): Contender {
  const parts = { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') }
  const registry = new BreakerRegistry({
    ...parts,
    node: 'bench',
    random: Math.random,
    store: new MemoryStore(parts),
    events: { publish: async () => {} },
  }).start()
  const settings = readConfig(standardConfig(), { pluginId: 'bench' })
  const configured = registry.configure(settings)
  return {
    async create(index) {
      const entry = registry.open(`service:${index}`, configured, `service-${index}`)
      await entry.loading
      const call = (outcome: Call['outcome']): Call => ({
        outcome,
        upstreamMs: 5,
        startedAtMs: Date.now(),
        mark: undefined,
      })
      const key = `service:${index}`
      return {
        succeed() {
          // As the two phases do it: both look the breaker up.
          registry.decide(registry.open(key, configured))
          registry.record(registry.open(key, configured), call('success'), false)
        },
        async trip() {
          for (let i = 0; i < 100; i++) registry.record(entry, call('unreachable'), false)
          await registry.flush()
        },
        refused: () => registry.decide(registry.open(key, configured)),
      }
    },
  }
}

const cockatiel: Contender = {
  create() {
    const policy = circuitBreaker(handleAll, {
      halfOpenAfter: 3_600_000,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }),
    })
    let broken = policy
    return {
      succeed: () => policy.execute(answer),
      async trip() {
        broken = circuitBreaker(handleAll, {
          halfOpenAfter: 3_600_000,
          breaker: new ConsecutiveBreaker(5),
        })
        for (let i = 0; i < 10; i++) await broken.execute(fail).catch(ignore)
      },
      refused: () => broken.execute(answer).catch(ignore),
    }
  },
}

const opossum: Contender = {
  create() {
    const options = {
      timeout: false,
      errorThresholdPercentage: 50,
      volumeThreshold: 20,
      rollingCountTimeout: 10_000,
      rollingCountBuckets: 10,
      rollingPercentilesEnabled: false,
      resetTimeout: 3_600_000,
    } as const
    const breaker = new Opossum(answer, options)
    return {
      succeed: () => breaker.fire(),
      async trip() {
        breaker.open()
      },
      refused: () => breaker.fire().catch(ignore),
    }
  },
}

const CONTENDERS: Readonly<Record<string, () => Contender>> = {
  sluice,
  'cockatiel 3': () => cockatiel,
  'opossum 8': () => opossum,
}

interface Measured {
  readonly closedPerSecond: number
  readonly openPerSecond: number
  readonly bytes: number
}

async function perSecond(act: () => unknown): Promise<number> {
  const rates: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const startedAt = performance.now()
    let done = 0
    while (performance.now() - startedAt < ROUND_MS) {
      // Those that answer with promises are given many at once: nobody waits for each before the next.
      const pending: unknown[] = []
      for (let i = 0; i < BATCH; i++) {
        const result = act()
        if (result instanceof Promise) pending.push(result)
      }
      if (pending.length > 0) await Promise.all(pending)
      else await new Promise(setImmediate)
      done += BATCH
    }
    // The first round warms up.
    if (round > 0) rates.push((done / (performance.now() - startedAt)) * 1000)
  }
  return median(rates)
}

async function measure(name: string): Promise<Measured> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const contender = CONTENDERS[name]!()
  const used = () => {
    collect()
    collect()
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    return heapUsed + external + arrayBuffers
  }
  const first = await contender.create(0)
  for (let i = 0; i < CALLS_EACH; i++) await first.succeed()
  const before = used()
  const kept: Breaker[] = []
  for (let i = 1; i <= BREAKERS; i++) {
    const breaker = await contender.create(i)
    for (let call = 0; call < CALLS_EACH; call++) await breaker.succeed()
    kept.push(breaker)
  }
  const bytes = (used() - before) / kept.length
  kept.length = 0
  const closedPerSecond = await perSecond(() => first.succeed())
  await first.trip()
  const openPerSecond = await perSecond(() => first.refused())
  return { closedPerSecond, openPerSecond, bytes }
}

const asked = process.argv.slice(2).find(arg => arg !== '--write')
if (asked !== undefined) {
  process.stdout.write(JSON.stringify(await measure(asked)))
  process.exit(0)
}
const rows = Object.keys(CONTENDERS).map(name => ({ name, measured: [] as Measured[] }))
// In turns, so that what else the machine does hits all of them.
for (let turn = 0; turn < TURNS; turn++)
  for (const { name, measured } of rows) {
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), name])
    measured.push(JSON.parse(stdout) as Measured)
  }
const shown = (measured: readonly Measured[], what: keyof Measured): string =>
  Math.round(median(measured.map(one => one[what]))).toLocaleString('en')
const table = [
  '| breaker | closed: calls/s | open: refusals/s | bytes a breaker, at 10,000 |',
  '| --- | --- | --- | --- |',
  ...rows.map(({ name, measured }) => {
    const numbers = (['closedPerSecond', 'openPerSecond', 'bytes'] as const).map(what =>
      shown(measured, what),
    )
    return `| ${name} | ${numbers.join(' | ')} |`
  }),
].join('\n')
process.stdout.write(`${table}\n`)
if (process.argv.includes('--write')) insertTable('bench/breaker.ts', table)
