import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { type TakeArguments, takeScript } from '../../../plugins/qos/script.ts'
import type { Store } from '../../../sdk/store.ts'
import type { TestClock } from '../../support/test-clock.ts'

export interface HeldStore extends Store {
  /** Calls of the limiter's script that wait for their answers. */
  readonly pending: readonly TakeArguments[]
  /** Calls of the limiter's script so far. */
  readonly calls: number
  /** Lets all that wait be answered, in order, and what follows from that run. */
  answer(): Promise<void>
  /** Fails all that wait, as a late Redis would; they still run when `late` is given. */
  fail(late?: boolean): Promise<void>
  /** Away: calls fail at once. */
  setAway(away: boolean): void
}

/** Looks like Redis, answers when told. Heartbeats are answered at once. */
export function createHeldStore(clock: TestClock, isHolding = true): HeldStore {
  const memory = new MemoryStore({ clock, metrics: createMetrics() })
  const waiting: { args: TakeArguments; run: () => void; fail: (late: boolean) => void }[] = []
  const listeners = new Set<(available: boolean) => void>()
  let isAway = false
  let calls = 0
  return {
    kind: 'redis',
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
    async run(script, key, args) {
      if (isAway) throw new Error('away')
      if ((script as unknown) !== takeScript || key.endsWith(':warm')) return memory.run(script, key, args)
      calls++
      if (!isHolding) return memory.run(script, key, args)
      return new Promise((resolve, reject) => {
        waiting.push({
          args: args as TakeArguments,
          run: () => resolve(memory.run(script, key, args)),
          fail(late) {
            if (late) memory.run(script, key, args)
            reject(new Error('late'))
          },
        })
      })
    },
    async answer() {
      for (const call of waiting.splice(0)) call.run()
      await settled()
    },
    async fail(late = false) {
      for (const call of waiting.splice(0)) call.fail(late)
      await settled()
    },
    setAway(away) {
      if (isAway === away) return
      isAway = away
      for (const hear of listeners) hear(!away)
    },
    publish: (channel, message) => memory.publish(channel, message),
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

/** Until nothing is left to do but to wait. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
