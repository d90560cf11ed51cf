import { messageOf, type ScriptList, type Store, type StoreScript } from '../../sdk/sdk.ts'

/** One hash for all processes: `<node>/<process>` → when it counts as gone, microseconds. */
const NODES_KEY = '{sluice:breaker-nodes}'

export interface Peers {
  /** Nodes that live; several processes of one node are one. */
  readonly nodes: number
  readonly processes: number
}

interface Beat {
  readonly id: string
  /** How long the process counts as alive without another beat; 0 takes it off the list. */
  readonly liveMs: number
}

/** Says that a process lives, and counts those that do. */
export const beatScript: StoreScript<Peers, Beat> = {
  name: 'circuit-breaker-beat',
  lua: `
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    if ARGV[2] == '0' then
      redis.call('HDEL', KEYS[1], ARGV[1])
    else
      redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2] * 1000))
    end
    local all, names, nodes, processes = redis.call('HGETALL', KEYS[1]), {}, 0, 0
    for i = 1, #all, 2 do
      if tonumber(all[i + 1]) <= now then
        redis.call('HDEL', KEYS[1], all[i])
      else
        processes = processes + 1
        local name = string.match(all[i], '^(.*)/[^/]*$') or all[i]
        if not names[name] then
          names[name] = true
          nodes = nodes + 1
        end
      end
    end
    redis.call('PEXPIRE', KEYS[1], 60000)
    return { nodes, processes }
  `,
  encode: ({ id, liveMs }) => [id, liveMs],
  apply(hash, { id, liveMs }, nowMicros) {
    if (liveMs === 0) hash.delete(id)
    else hash.set(id, nowMicros + liveMs * 1000)
    for (const [process, ends] of hash) if (Number(ends) <= nowMicros) hash.delete(process)
    const nodes = new Set([...hash.keys()].map(process => process.slice(0, process.lastIndexOf('/'))))
    return { result: { nodes: nodes.size, processes: hash.size }, expireInMs: 60_000 }
  },
  decode: ([nodes, processes]: ScriptList) => ({ nodes: Number(nodes), processes: Number(processes) }),
}

export const BEAT_MS = 1000
const LIVE_MS = 3500
/** Beats after which every process that started together with this one has been heard. */
const SETTLED_BEATS = 3

/** Keeps this process on the list, and knows who else is on it. */
export class Heartbeat {
  readonly #store: Store
  readonly #id: string
  readonly #onFailure: (reason: string) => void
  #peers: Peers = { nodes: 1, processes: 1 }
  #beats = 0

  constructor(store: Store, id: string, onFailure: (reason: string) => void) {
    this.#store = store
    this.#id = id
    this.#onFailure = onFailure
  }

  get peers(): Peers {
    return this.#peers
  }

  /** False while there may be nodes that this one has not heard of. */
  get isSettled(): boolean {
    return this.#store.kind === 'memory' || this.#beats >= SETTLED_BEATS
  }

  async beat(): Promise<void> {
    try {
      this.#peers = await this.#store.run(beatScript, NODES_KEY, { id: this.#id, liveMs: LIVE_MS })
      this.#beats += 1
    } catch (error) {
      this.#onFailure(messageOf(error))
    }
  }

  async close(): Promise<void> {
    try {
      await this.#store.run(beatScript, NODES_KEY, { id: this.#id, liveMs: 0 })
    } catch (error) {
      this.#onFailure(messageOf(error))
    }
  }
}
