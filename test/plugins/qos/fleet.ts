import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../../foundation/metrics.ts'
import { systemTimers, type Timers } from '../../../foundation/timers.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import { Decider } from '../../../plugins/qos/decider.ts'
import type { Limit } from '../../../plugins/qos/limit.ts'
import { createLimitSet } from '../../../plugins/qos/limit-set.ts'
import type { Request } from '../../../plugins/qos/request.ts'
import type { Verdict } from '../../../plugins/qos/verdict.ts'
import type { Store } from '../../../sdk/store.ts'
import { until } from '../../support/until.ts'

export interface Node {
  readonly decider: Decider
  readonly store: Store
  readonly metrics: Metrics
  readonly degraded: boolean[]
  decide(key: string, more?: Partial<Request>): Promise<Verdict>
  /** Lets all repeating timers go off once. */
  tick(): Promise<void>
  close(): Promise<void>
}

export interface FleetOptions {
  readonly urls: readonly string[]
  readonly nodes: number
  readonly limits: readonly Limit[]
  readonly deadlineMs?: number
}

/** Deciders of several nodes in one process, each with a connection of its own; timers go off when told. */
export async function createFleet({ urls, nodes: count, limits, deadlineMs = 500 }: FleetOptions) {
  const limitSet = createLimitSet(limits)
  const nodes = Array.from({ length: count }, (_, i): Node => {
    const metrics = createMetrics()
    const ticks = new Set<() => void>()
    const timers: Timers = {
      ...systemTimers,
      every(ms, callback) {
        // A deadline's steps go on by themselves.
        if (ms < 100) return systemTimers.every(ms, callback)
        ticks.add(callback)
        return () => ticks.delete(callback)
      },
    }
    const store = createStore(
      { redisUrl: urls, redisDeadlineMs: deadlineMs },
      { clock: systemClock, metrics, log: createLogger('silent'), node: `node-${i}`, timers },
    )
    const degraded: boolean[] = []
    const decider = new Decider({
      store,
      clock: systemClock,
      onDegraded: is => degraded.push(is),
      timers,
    })
    return {
      decider,
      store,
      metrics,
      degraded,
      decide: async (key, more) =>
        decider.decide({ key, limitSet, cost: 1, onStoreError: 'local', leaseTolerance: undefined, ...more }),
      async tick() {
        for (const callback of ticks) callback()
        await new Promise(resolve => setTimeout(resolve, 20))
      },
      async close() {
        await decider.close()
        await store.close()
      },
    }
  })
  for (const { store } of nodes) if (!(await store.ready(60_000))) throw new Error('no connection to Redis')
  await until('each node knows all of them', async () => {
    await Promise.all(nodes.map(node => node.tick()))
    return nodes.every(({ store: { peers } }) => peers.isSettled && peers.nodes === count)
  })
  return {
    nodes,
    limitSet,
    close: async () => void (await Promise.all(nodes.map(node => node.close()))),
  }
}

export type Fleet = Awaited<ReturnType<typeof createFleet>>

/** How many calls to Redis had this outcome. */
export async function callsOf(node: Node, outcome: 'ok' | 'late' | 'refused' | 'not_tried'): Promise<number> {
  const text = await node.metrics.text()
  const match = new RegExp(`sluice_store_calls_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)
  return Number(match?.[1] ?? 0)
}
