import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Service } from '../../ops/local/service.ts'
import { burn } from './burners.ts'
import { type Condition, interrupt } from './conditions.ts'
import { startKong } from './kong.ts'
import { steady, storm } from './load.ts'
import { startNodes } from './nodes.ts'
import { createQuota } from './quota.ts'
import type { Route, Target } from './target.ts'

/** Who limits: our plugin servers, of this or another commit, or Kong itself. */
export type Contender =
  | { readonly kind: 'qos'; readonly name: string; readonly sync: 'strict' | 'leased'; readonly dist: string }
  | { readonly kind: 'kong'; readonly name: string }

export interface Trial {
  readonly contender: Contender
  readonly condition: Condition
  readonly redis: Service
  readonly client: Redis
}

/** What was admitted of the budget, and how long requests took. */
export interface Measured {
  /** 1,000 requests at once, right after the start. */
  readonly cold: number
  /** The same once the processes have run for a while. */
  readonly warm: number
  /** 400 requests a second for four seconds. */
  readonly steady: number
  /** Of requests that are far from their limit, 200 a second. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

const BUDGET = 437
const PROCESSES = 4
const STORM = 1000

const COLD: Route = { name: 'cold', requests: BUDGET }
const WARM: Route = { name: 'warm', requests: BUDGET }
const STEADY: Route = { name: 'steady', requests: BUDGET }
const PLENTY: Route = { name: 'plenty', requests: 1_000_000 }

export async function measure({ contender, condition, redis, client }: Trial): Promise<Measured> {
  await client.flushall()
  const endings: (() => Promise<unknown>)[] = []
  try {
    const { cores, burners, stopMs } = condition
    const quota = cores === undefined ? undefined : createQuota(`sluice-bench-${process.pid}`, cores)
    if (quota) endings.push(quota.close)
    endings.push(await burn(burners))
    if (stopMs !== undefined) endings.push(interrupt(redis, stopMs))
    const target = await start(contender, redis.url, pid => quota?.add(pid))
    endings.push(target.close)
    return await load(target)
  } finally {
    for (const end of endings.reverse()) await end()
  }
}

function start(contender: Contender, redisUrl: string, onSpawn: (pid: number) => void): Promise<Target> {
  if (contender.kind === 'qos') {
    const { dist, sync } = contender
    return startNodes({ dist, sync, count: PROCESSES, redisUrl, onSpawn })
  }
  return startKong({ workers: PROCESSES, routes: [COLD, WARM, STEADY, PLENTY], redisUrl, onSpawn })
}

async function load(target: Target): Promise<Measured> {
  const cold = await storm(target, COLD, STORM)
  await pause(4000)
  const warm = await storm(target, WARM, STORM)
  const paced = await steady(target, STEADY, { perSecond: 400, seconds: 4 })
  const easy = await steady(target, PLENTY, { perSecond: 200, seconds: 4 })
  const latencies = easy.latenciesMs.sort((a, b) => a - b)
  return {
    cold: cold.admitted,
    warm: warm.admitted,
    steady: paced.admitted,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)]!,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)]!,
    failed: cold.failed + warm.failed + paced.failed + easy.failed,
  }
}
