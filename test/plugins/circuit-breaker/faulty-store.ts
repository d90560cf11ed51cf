import type { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { Store, StoreScript } from '../../../sdk/store.ts'

/** `lossy`: the script runs, and its answer is lost. */
export type Link = 'up' | 'down' | 'lossy'

/** One node's way to a store that several share, which the test can cut. */
export interface FaultyStore extends Store {
  link: Link
}

/** @param nodes how many share the store. */
export function linkTo(shared: MemoryStore, nodes: number): FaultyStore {
  const listeners = new Set<(available: boolean) => void>()
  let link: Link = 'up'
  return {
    kind: 'redis',
    get patient() {
      return this
    },
    peers: { nodes, processes: nodes, isSettled: true },
    get link() {
      return link
    },
    set link(next) {
      link = next
      for (const hear of listeners) hear(next !== 'down')
    },
    get available() {
      return link !== 'down'
    },
    canReach: () => link !== 'down',
    async run<Result, Args>(script: StoreScript<Result, Args>, key: string, args: Args) {
      if (link === 'down') throw new Error('away')
      const result = shared.run(script, key, args)
      if (link === 'lossy') throw new Error('late')
      return result
    },
    async publish(channel, message) {
      if (link !== 'up') throw new Error('away')
      await shared.publish(channel, message)
    },
    readBytes: keys => shared.readBytes(keys),
    writeBytes: (key, bytes, expireInMs) => shared.writeBytes(key, bytes, expireInMs),
    watch: (channel, hear) => shared.watch(channel, message => link === 'up' && hear(message)),
    onAvailability(hear) {
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
    ready: async () => link !== 'down',
    keys: prefix => shared.keys(prefix),
    async close() {},
  }
}
