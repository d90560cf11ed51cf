/**
 * Decisions per second of the qos limiter in memory, leased and strict, beside rate-limiter-flexible on the same
 * Redis, and the bytes that a subject takes there. One process, no HTTP. `node dist/bench/qos.js`; under a minute.
 *
 * Redis: the URL in SLUICE_BENCH_REDIS_URL, else an instance of its own on this machine, as the tests start it.
 */
import { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterUnion } from 'rate-limiter-flexible'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { findService } from '../ops/local/find.ts'
import { createStore } from '../plugin-server/stores/create.ts'
import { Decider } from '../plugins/qos/decider.ts'
import type { Limit } from '../plugins/qos/limit.ts'
import { createLimitSet, type LimitSet } from '../plugins/qos/limit-set.ts'
import type { Store } from '../sdk/store.ts'
import { median } from './report.ts'

const SUBJECTS = 1000
const IN_FLIGHT = 64
const ROUNDS = 5
const SECONDS_PER_ROUND = 1

const WINDOWS: readonly [name: string, seconds: number][] = [
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
]
/** So high that nothing is refused: what is measured is the way of an admitted request. */
const REQUESTS = 10_000_000

interface Contender {
  readonly name: string
  readonly decide: (subject: number) => unknown
  close?(): Promise<void>
}

function limits(count: number, requests = REQUESTS): Limit[] {
  return WINDOWS.slice(0, count).map(([name, seconds]) => ({
    kind: 'gcra',
    name,
    shadow: false,
    requests,
    burst: requests,
    perMicros: seconds * 1_000_000,
  }))
}

async function sluice(
  name: string,
  url: string | undefined,
  limitSet: LimitSet,
  leaseTolerance?: number,
): Promise<Contender> {
  const parts = { clock: systemClock, metrics: createMetrics(), log: createLogger('silent'), node: name }
  const settings = { redisUrl: url === undefined ? undefined : [url], redisDeadlineMs: 1000 }
  const store: Store = createStore(settings, parts)
  await store.ready(5000)
  const decider = new Decider({ store, clock: systemClock })
  // Tokens are taken ahead once three heartbeats have been answered.
  while (leaseTolerance !== undefined && !store.peers.isSettled)
    await new Promise(resolve => setTimeout(resolve, 50))
  const keys = Array.from({ length: SUBJECTS }, (_, i) => `{sluice:qos:${name}:consumer:${i}}`)
  return {
    name,
    decide: subject =>
      decider.decide({ key: keys[subject]!, limitSet, cost: 1, onStoreError: 'local', leaseTolerance }),
    async close() {
      await decider.close()
      await store.close()
    },
  }
}

function flexible(name: string, client: Redis | undefined, count: number): Contender {
  const made = WINDOWS.slice(0, count).map(([window, duration]) => {
    const options = { keyPrefix: `rlf:${name}:${window}`, points: REQUESTS, duration }
    return client
      ? new RateLimiterRedis({ ...options, storeClient: client, useRedisPackage: false })
      : new RateLimiterMemory(options)
  })
  const limiter = made.length === 1 ? made[0]! : new RateLimiterUnion(...made)
  const keys = Array.from({ length: SUBJECTS }, (_, i) => `consumer:${i}`)
  return { name, decide: subject => limiter.consume(keys[subject]!, 1) }
}

/** Decisions per second in one round, with a number of them in flight. */
async function round({ decide }: Contender): Promise<number> {
  const endMs = performance.now() + SECONDS_PER_ROUND * 1000
  const startMs = performance.now()
  let count = 0
  const lane = async (at: number) => {
    let subject = at
    while (performance.now() < endMs)
      for (let i = 0; i < 16; i++) {
        subject = (subject + 61) % SUBJECTS
        const decision = decide(subject)
        if (decision instanceof Promise) await decision
        count++
      }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => lane(i)))
  return count / ((performance.now() - startMs) / 1000)
}

/** Side by side: each round visits every contender, so that a change of the machine's mood meets all of them. */
async function compare(contenders: readonly Contender[]): Promise<Map<string, number>> {
  const results = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (const contender of contenders) await round(contender)
  for (let i = 0; i < ROUNDS; i++)
    for (const contender of contenders) results.get(contender.name)!.push(await round(contender))
  for (const contender of contenders) await contender.close?.()
  return new Map([...results].map(([name, values]) => [name, median(values)]))
}

/** Bytes in Redis for a subject that has used its limits once. */
async function bytesPerSubject(client: Redis, contender: Contender, pattern: string): Promise<number> {
  for (let i = 0; i < SUBJECTS; i++) await contender.decide(i)
  await contender.close?.()
  let bytes = 0
  const subjects = new Set<string>()
  for await (const batch of client.scanStream({ match: pattern, count: 1000 }))
    for (const key of batch as string[]) {
      bytes += Number(await client.memory('USAGE', key, 'SAMPLES', 0))
      subjects.add(/consumer:\d+/.exec(key)![0])
    }
  return bytes / subjects.size
}

async function sizes(count: number): Promise<string[]> {
  const ours = await sluice(`size${count}`, url, createLimitSet(limits(count, 10)))
  const theirs = flexible(`size${count}`, client, count)
  return [
    (await bytesPerSubject(client, ours, `{sluice:qos:size${count}:*`)).toFixed(0),
    (await bytesPerSubject(client, theirs, `rlf:size${count}:*`)).toFixed(0),
  ]
}

const given = process.env.SLUICE_BENCH_REDIS_URL
const service = given ? undefined : await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
const url = given ?? service!.url
const client = new Redis(url)
try {
  const rows: string[][] = []
  for (const count of [1, 3]) {
    const limitSet = createLimitSet(limits(count))
    const results = await compare([
      await sluice(`memory${count}`, undefined, limitSet),
      flexible(`flexible-memory${count}`, undefined, count),
      await sluice(`leased${count}`, url, limitSet, 0.05),
      await sluice(`strict${count}`, url, limitSet),
      flexible(`flexible${count}`, client, count),
    ])
    const [memory, flexibleMemory, leased, strict, flexibleRedis] = [...results.values()] as [
      number,
      number,
      number,
      number,
      number,
    ]
    const show = (rate: number, base: number) =>
      `${Math.round(rate / 100) / 10} (${(rate / base).toFixed(2)} ×)`
    rows.push([
      String(count),
      show(memory, flexibleMemory),
      show(flexibleMemory, flexibleMemory),
      show(leased, flexibleRedis),
      show(strict, flexibleRedis),
      show(flexibleRedis, flexibleRedis),
      ...(await sizes(count)),
    ])
  }
  const head = [
    'limits',
    'qos memory',
    'rate-limiter-flexible memory',
    'qos leased',
    'qos strict',
    'rate-limiter-flexible Redis',
    'bytes a subject, qos',
    'bytes a subject, rate-limiter-flexible',
  ]
  const lines = [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
  process.stdout.write(
    `Thousand decisions per second, one process, ${IN_FLIGHT} in flight, ${SUBJECTS} subjects, median of ${ROUNDS} rounds\n\n${lines.join('\n')}\n`,
  )
} finally {
  client.disconnect()
  await service?.close()
}
