import { messageOf, type ScriptList, type Store, type StoreScript } from '../../sdk/sdk.ts'

/** One hash for all nodes: id → when it counts as gone, microseconds. */
export const NODES_KEY = '{sluice:qos:nodes}'

interface Beat {
  readonly id: string
  /** How long the node counts as alive without another beat; 0 takes it off the list. */
  readonly liveMs: number
}

/** Says that a node lives and counts those that do. */
export const beatScript: StoreScript<number, Beat> = {
  name: 'qos-beat',
  lua: `
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local ends = now + ARGV[2] * 1000
    if ARGV[2] == '0' then redis.call('HDEL', KEYS[1], ARGV[1])
    else redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', ends)) end
    local nodes, alive = redis.call('HGETALL', KEYS[1]), 0
    for i = 1, #nodes, 2 do
      if tonumber(nodes[i + 1]) <= now then redis.call('HDEL', KEYS[1], nodes[i]) else alive = alive + 1 end
    end
    redis.call('PEXPIRE', KEYS[1], 60000)
    return {alive}
  `,
  encode: ({ id, liveMs }) => [id, liveMs],
  apply(hash, { id, liveMs }, now) {
    if (liveMs === 0) hash.delete(id)
    else hash.set(id, now + liveMs * 1000)
    for (const [node, ends] of hash) if (Number(ends) <= now) hash.delete(node)
    return { result: hash.size, expireInMs: 60_000 }
  },
  decode: ([alive]: ScriptList) => Number(alive),
}

/** Sets repeating timers; handed in so that tests can hold them. */
export type Every = (ms: number, callback: () => void) => () => void

export const everySystem: Every = (ms, callback) => {
  const timer = setInterval(callback, ms).unref()
  return () => clearInterval(timer)
}

const BEAT_MS = 1000
const LIVE_MS = 3500

/** Keeps this node on the list, and knows how many are on it. */
export class Heartbeat {
  readonly #store: Store
  readonly #id: string
  readonly #stop: () => void
  readonly #onFailure: (reason: string) => void
  #nodes = 1
  #beats = 0

  constructor(store: Store, id: string, every: Every, onFailure: (reason: string) => void) {
    this.#store = store
    this.#id = id
    this.#onFailure = onFailure
    this.#stop = every(BEAT_MS, () => void this.beat())
    void this.beat()
  }

  /** How many nodes live, as far as is known; at least this one. */
  get nodes(): number {
    return this.#nodes
  }

  /** False until every other node has had the time to count this one in. */
  get isSettled(): boolean {
    return this.#beats > 2
  }

  async beat(): Promise<void> {
    try {
      this.#nodes = Math.max(
        1,
        await this.#store.run(beatScript, NODES_KEY, { id: this.#id, liveMs: LIVE_MS }),
      )
      this.#beats++
    } catch (error) {
      this.#onFailure(messageOf(error))
    }
  }

  async close(): Promise<void> {
    this.#stop()
    try {
      await this.#store.run(beatScript, NODES_KEY, { id: this.#id, liveMs: 0 })
    } catch (error) {
      this.#onFailure(messageOf(error))
    }
  }
}
