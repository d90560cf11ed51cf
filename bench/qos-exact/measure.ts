import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Service } from '../../ops/local/service.ts'
import { burn } from './burners.ts'
import { type Condition, interrupt } from './conditions.ts'
import { steady, storm } from './load.ts'
import { startNodes } from './nodes.ts'
import { createQuota } from './quota.ts'

export interface Code {
  readonly name: string
  readonly dist: string
}

export interface Trial {
  readonly code: Code
  readonly sync: 'strict' | 'leased'
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

export const BUDGET = 437
const NODES = 4
const STORM = 1000

export async function measure({ code, sync, condition, redis, client }: Trial): Promise<Measured> {
  await client.flushall()
  const endings: (() => Promise<unknown>)[] = []
  try {
    const quota =
      condition.cores === undefined ? undefined : createQuota(`sluice-bench-${process.pid}`, condition.cores)
    if (quota) endings.push(quota.close)
    endings.push(await burn(condition.burners))
    if (condition.stopMs !== undefined) endings.push(interrupt(redis, condition.stopMs))
    const started = await startNodes({
      dist: code.dist,
      count: NODES,
      env: { SLUICE_REDIS_URL: redis.url },
      onSpawn: pid => quota?.add(pid),
    })
    endings.push(started.close)
    const { nodes } = started
    const cold = await storm(nodes, configOf('cold', sync), STORM)
    await pause(4000)
    const warm = await storm(nodes, configOf('warm', sync), STORM)
    const paced = await steady(nodes, configOf('steady', sync), { perSecond: 400, seconds: 4 })
    const plenty = configOf('plenty', sync, 1_000_000)
    const easy = await steady(nodes, plenty, { perSecond: 200, seconds: 4 })
    const latencies = easy.latenciesMs.sort((a, b) => a - b)
    return {
      cold: cold.admitted,
      warm: warm.admitted,
      steady: paced.admitted,
      p50Ms: latencies[Math.floor(latencies.length * 0.5)]!,
      p99Ms: latencies[Math.floor(latencies.length * 0.99)]!,
      failed: cold.failed + warm.failed + paced.failed + easy.failed,
    }
  } finally {
    for (const end of endings.reverse()) await end()
  }
}

function configOf(route: string, sync: Trial['sync'], requests = BUDGET): object {
  const tier = { limits: [{ name: 'hour', requests, per: 3600, algorithm: 'sliding' }] }
  return {
    tiers: { free: tier },
    default_tier: 'free',
    sync,
    route_id: route,
    __plugin_id: route,
    __seq__: 1,
  }
}
