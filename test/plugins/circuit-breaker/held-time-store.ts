import { breakerScript } from '../../../plugins/circuit-breaker/script.ts'
import type { Store, StoredValue, StoreScript } from '../../../sdk/store.ts'
import type { TestClock } from '../../support/test-clock.ts'

/** The most arguments that an operation has; the time stands behind them. */
const ARGUMENTS = 32

/** The script for Redis with the time as a further argument instead of the server's own. */
export const LUA_WITH_TIME = breakerScript.lua.replace(
  "redis.call('TIME')",
  '{ ARGV[#ARGV - 1], ARGV[#ARGV] }',
)

export function withTime(args: readonly StoredValue[], nowMicros: number): StoredValue[] {
  const padding = Array(Math.max(0, ARGUMENTS - args.length)).fill('')
  return [...args, ...padding, Math.floor(nowMicros / 1e6), nowMicros % 1e6]
}

/** Redis with the test's clock for time: everything else is the server's. Counts the calls. */
export function holdTime(store: Store, clock: TestClock): Store & { calls: number } {
  const held = {
    calls: 0,
    kind: store.kind,
    get available() {
      return store.available
    },
    run<Result, Args>(script: StoreScript<Result, Args>, key: string, args: Args) {
      if ((script as unknown) !== breakerScript) return store.run(script, key, args)
      held.calls += 1
      const encode = (call: Args) => withTime(script.encode!(call), clock.now() * 1000)
      return store.run({ ...script, lua: LUA_WITH_TIME, encode }, key, args)
    },
    get patient() {
      return held
    },
    peers: store.peers,
    canReach: store.canReach.bind(store),
    readBytes: store.readBytes.bind(store),
    writeBytes: store.writeBytes.bind(store),
    publish: store.publish.bind(store),
    watch: store.watch.bind(store),
    onAvailability: store.onAvailability.bind(store),
    ready: store.ready.bind(store),
    keys: store.keys.bind(store),
    close: store.close.bind(store),
  }
  return held
}
