/**
 * Simulated nodes that share one limit: the deciders are the real ones, time and network are not. What is counted is
 * how much all of them together admit in a window that admits `limit`.
 */
import { createMetrics } from '../foundation/metrics.ts'
import { MemoryStore } from '../plugin-server/stores/memory.ts'
import { Decider } from '../plugins/qos/decider.ts'
import { createLimitSet } from '../plugins/qos/limit-set.ts'
import { takeScript } from '../plugins/qos/script.ts'
import type { Store } from '../sdk/store.ts'
import { createRandom, VirtualTime } from './virtual-time.ts'

export type Design = 'strict' | 'leased' | 'report-afterwards'

export interface Scenario {
  readonly design: Design
  readonly nodes: number
  /** Requests that one window admits. */
  readonly limit: number
  readonly windowSeconds: number
  /** Arrivals in each second of the window, over all nodes. */
  readonly arrivals: (second: number) => number
  readonly windows: number
  readonly tolerance: number
  /** report-afterwards: how often a node tells its count and hears the total. */
  readonly syncSeconds: number
  readonly seed: number
}

export interface Outcome {
  /** The most that was admitted in one window, as a multiple of the limit. */
  readonly most: number
  /** The least, likewise; the first window apart. */
  readonly least: number
  /** Calls to the store for each request; heartbeats, one a second and node whatever the load, apart. */
  readonly callsPerRequest: number
}

const LATENCY_MS = 1

export async function simulate(scenario: Scenario): Promise<Outcome> {
  const { limit, windowSeconds, nodes, windows } = scenario
  const time = new VirtualTime()
  const random = createRandom(scenario.seed)
  let calls = 0
  const admitted = Array.from({ length: windows }, () => 0)
  const count = (atMs: number) => {
    const window = Math.floor((atMs - WARM_UP_MS) / (windowSeconds * 1000))
    if (window >= 0 && window < windows) admitted[window]!++
  }
  const fleet =
    scenario.design === 'report-afterwards'
      ? reportAfterwards(scenario, time, () => calls++)
      : deciders(scenario, time, () => calls++)

  // The heartbeats settle first.
  let requests = 0
  for (let second = 0; second < windows * windowSeconds; second++) {
    const number = scenario.arrivals(second % windowSeconds)
    for (let i = 0; i < number; i++) {
      requests++
      const node = fleet.nodes[Math.floor(random() * nodes)]!
      time.at(WARM_UP_MS + (second + random()) * 1000, async () => {
        const startedMs = time.nowMs
        if (await node()) count(startedMs)
      })
    }
  }
  await time.run(WARM_UP_MS)
  calls = 0
  await time.run(WARM_UP_MS + windows * windowSeconds * 1000)
  fleet.stop()
  return {
    most: Math.max(...admitted) / limit,
    least: Math.min(...admitted) / limit,
    callsPerRequest: calls / requests,
  }
}

/** A multiple of every window used, so that windows begin where they are counted. */
const WARM_UP_MS = 3_600_000

interface Fleet {
  readonly nodes: readonly (() => Promise<boolean>)[]
  stop(): void
}

/** The real deciders, on a store that answers after a while. */
function deciders(scenario: Scenario, time: VirtualTime, onCall: () => void): Fleet {
  const { design, limit, windowSeconds, tolerance } = scenario
  const perMicros = windowSeconds * 1_000_000
  const limitSet = createLimitSet([
    { kind: 'sliding', name: 'window', shadow: false, requests: limit, perMicros },
  ])
  const shared = new MemoryStore({ clock: time, metrics: createMetrics() })
  const store = remote(shared, time, scenario.nodes, onCall)
  time.nowMs = WARM_UP_MS - 10_000
  const fleet = Array.from(
    { length: scenario.nodes },
    () => new Decider({ store, clock: time, timers: time }),
  )
  const request = {
    key: '{s}',
    limitSet,
    cost: 1,
    onStoreError: 'local',
    leaseTolerance: design === 'leased' ? tolerance : undefined,
  } as const
  return {
    nodes: fleet.map(decider => async () => (await decider.decide(request)).outcome === 'admitted'),
    stop: () => time.stop(),
  }
}

/** What leasing is compared with: each node admits by the last total it heard plus its own, and tells afterwards. */
function reportAfterwards(scenario: Scenario, time: VirtualTime, onCall: () => void): Fleet {
  const totals = new Map<number, number>()
  const windowOf = () => Math.floor(time.nowMs / (scenario.windowSeconds * 1000))
  time.nowMs = WARM_UP_MS - 10_000
  const nodes = Array.from({ length: scenario.nodes }, (_, i) => {
    let window = windowOf()
    let heard = 0
    let untold = 0
    const follow = () => {
      if (window === windowOf()) return
      window = windowOf()
      heard = 0
      untold = 0
    }
    const syncMs = scenario.syncSeconds * 1000
    time.at(time.nowMs + (syncMs * i) / scenario.nodes, () => {
      time.every(syncMs, () => {
        follow()
        onCall()
        heard = (totals.get(window) ?? 0) + untold
        totals.set(window, heard)
        untold = 0
      })
    })
    return async () => {
      follow()
      if (heard + untold >= scenario.limit) return false
      untold++
      return true
    }
  })
  return { nodes, stop: () => time.stop() }
}

function remote(shared: MemoryStore, time: VirtualTime, nodes: number, onCall: () => void): Store {
  return {
    kind: 'redis',
    get patient() {
      return this
    },
    peers: { nodes, processes: nodes, isSettled: true },
    available: true,
    canReach: () => true,
    readBytes: keys => shared.readBytes(keys),
    writeBytes: (key, bytes, expireInMs) => shared.writeBytes(key, bytes, expireInMs),
    run: (script, key, args) =>
      new Promise(resolve => {
        if (script.name === takeScript.name) onCall()
        time.at(time.nowMs + LATENCY_MS / 2, () => {
          const result = shared.run(script, key, args)
          time.at(time.nowMs + LATENCY_MS / 2, () => resolve(result))
        })
      }),
    publish: (channel, message) => shared.publish(channel, message),
    watch: (channel, hear) => shared.watch(channel, hear),
    onAvailability: () => () => {},
    ready: async () => true,
    keys: prefix => shared.keys(prefix),
    close: () => shared.close(),
  }
}
