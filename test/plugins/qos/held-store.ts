import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { type TakeArguments, takeScript } from '../../../plugins/qos/script.ts'
import type { Peers, Store, StoreScript } from '../../../sdk/store.ts'
import type { TestClock } from '../../support/test-clock.ts'

export interface HeldStore extends Store {
  /** Calls of the limiter's script that wait for their answers. */
  readonly pending: readonly TakeArguments[]
  /** Calls of the limiter's script so far. */
  readonly calls: number
  /** Lets all that wait be answered, in order, and what follows from that run. */
  answer(): Promise<void>
  /** Refuses all that wait: none of them runs. */
  fail(): Promise<void>
  /** Lets all that wait be late; their answers come, or are lost, when told. */
  delay(): Promise<Late>
  /** Away: calls fail at once. */
  setAway(away: boolean): void
}

/** Calls whose answers are late. */
export interface Late {
  /** They run, and their answers come after all. */
  answer(): Promise<void>
  /** They run, and the connection is lost before their answers are there. */
  lose(): Promise<void>
}

/** A call that is held. */
interface Held {
  readonly args: TakeArguments
  /** Runs the script in the store; once, however often it is asked to. */
  run(): void
  resolve(): void
  reject(reason: string): void
  /** Makes it late: what is told to it then reaches those who wait for the late answer. */
  delay(): void
}

export const ALONE: Peers = { nodes: 1, processes: 1, isSettled: true }

/** Looks like Redis, answers when told. */
export function createHeldStore(clock: TestClock, isHolding = true, peers: Peers = ALONE): HeldStore {
  const memory = new MemoryStore({ clock, metrics: createMetrics() })
  const waiting: Held[] = []
  const listeners = new Set<(available: boolean) => void>()
  let isAway = false
  let calls = 0
  const release = async (act: (held: Held) => void, held = waiting.splice(0)) => {
    for (const each of held) act(each)
    await settled()
  }
  const answer = (held: Held) => {
    held.run()
    held.resolve()
  }
  const lose = (held: Held) => {
    held.run()
    held.reject('connection lost')
  }
  return {
    kind: 'redis',
    get patient() {
      return this
    },
    peers,
    get available() {
      return !isAway
    },
    get pending() {
      return waiting.map(({ args }) => args)
    },
    get calls() {
      return calls
    },
    canReach: () => !isAway,
    async run(script, key, args, onLate) {
      if (isAway) throw new Error('away')
      if ((script as unknown) !== takeScript || key.endsWith(':warm')) return memory.run(script, key, args)
      calls++
      if (!isHolding) return memory.run(script, key, args)
      const { promise, held } = hold(memory, script, key, args, onLate)
      waiting.push(held)
      return promise
    },
    answer: () => release(answer),
    fail: () => release(held => held.reject('refused')),
    async delay() {
      const late = waiting.splice(0)
      await release(held => held.delay(), late)
      return { answer: () => release(answer, late), lose: () => release(lose, late) }
    },
    setAway(away) {
      if (isAway === away) return
      isAway = away
      for (const hear of listeners) hear(!away)
    },
    publish: (channel, message) => memory.publish(channel, message),
    readBytes: keys => memory.readBytes(keys),
    writeBytes: (key, bytes, expireInMs) => memory.writeBytes(key, bytes, expireInMs),
    watch: (channel, hear) => memory.watch(channel, hear),
    onAvailability(hear) {
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
    ready: async () => !isAway,
    keys: prefix => memory.keys(prefix),
    close: () => memory.close(),
  }
}

function hold<Result, Args>(
  memory: MemoryStore,
  script: StoreScript<Result, Args>,
  key: string,
  args: Args,
  onLate: ((answer: Promise<Result>) => void) | undefined,
): { promise: Promise<Result>; held: Held } {
  let result: Result
  let hasRun = false
  let settle = createSettler<Result>()
  const { promise } = settle
  const held: Held = {
    args: args as TakeArguments,
    run() {
      if (!hasRun) result = memory.run(script, key, args)
      hasRun = true
    },
    resolve: () => settle.resolve(result),
    reject: reason => settle.reject(new Error(reason)),
    delay() {
      settle.reject(new Error('late'))
      settle = createSettler<Result>()
      settle.promise.catch(() => {})
      onLate?.(settle.promise)
    },
  }
  return { promise, held }
}

function createSettler<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  return { promise, resolve, reject }
}

/** Until nothing is left to do but to wait. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
