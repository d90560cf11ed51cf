import { randomUUID } from 'node:crypto'
import type { Timers } from '../../foundation/timers.ts'
import type { Peers, ScriptList, StoreScript } from '../../sdk/store.ts'

/** One hash for all processes: `<node>/<process>` → when it counts as gone, microseconds. */
const PEERS_KEY = '{sluice:peers}'

export interface PeerCount {
  readonly nodes: number
  readonly processes: number
}

interface Beat {
  /** `<node>/<process>` */
  readonly id: string
  /** How long the process counts as alive without another beat; 0 takes it off the list. */
  readonly liveMs: number
}

/** Says that a process lives, and counts those that do. */
export const beatScript: StoreScript<PeerCount, Beat> = {
  name: 'peers-beat',
  lua: `
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local live = ARGV[2] * 1000
    if live == 0 then
      redis.call('HDEL', KEYS[1], ARGV[1])
    else
      redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + live))
    end
    local all, names, nodes, processes = redis.call('HGETALL', KEYS[1]), {}, 0, 0
    for i = 1, #all, 2 do
      local ends = tonumber(all[i + 1])
      if ends <= now then
        redis.call('HDEL', KEYS[1], all[i])
      else
        -- The clock has stepped back: one that is gone would count until it has come to where it was.
        if live > 0 and ends > now + live then
          redis.call('HSET', KEYS[1], all[i], string.format('%.0f', now + live))
        end
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
    for (const [process, ends] of hash)
      if (Number(ends) <= nowMicros) hash.delete(process)
      else if (liveMs > 0) hash.set(process, Math.min(Number(ends), nowMicros + liveMs * 1000))
    const nodes = new Set([...hash.keys()].map(process => process.slice(0, process.lastIndexOf('/'))))
    return { result: { nodes: nodes.size, processes: hash.size }, expireInMs: 60_000 }
  },
  decode: ([nodes, processes]: ScriptList) => ({ nodes: Number(nodes), processes: Number(processes) }),
}

const BEAT_MS = 1000
const LIVE_MS = 3500
/** Beats after which every process that started together with this one has been heard. */
const SETTLED_BEATS = 3

export interface PeerListOptions {
  readonly node: string
  /** How many processes there are to be; counted with until all that live have been heard. */
  readonly expected: number
  readonly timers: Timers
  readonly run: (key: string, beat: Beat) => Promise<PeerCount>
}

/** Keeps this process on the list of those that share the store, and knows who else is on it. */
export class PeerList implements Peers {
  readonly #options: PeerListOptions
  readonly #id: string
  readonly #stop: () => void
  #heard: PeerCount = { nodes: 1, processes: 1 }
  #beats = 0

  constructor(options: PeerListOptions) {
    this.#options = options
    this.#id = `${options.node}/${process.pid}-${randomUUID().slice(0, 8)}`
    this.#stop = options.timers.every(BEAT_MS, () => void this.beat())
  }

  get nodes(): number {
    return this.#atLeast(this.#heard.nodes)
  }

  get processes(): number {
    return this.#atLeast(this.#heard.processes)
  }

  get isSettled(): boolean {
    return this.#beats >= SETTLED_BEATS
  }

  /** What was heard last stays in force while the store is away. */
  async beat(): Promise<void> {
    try {
      this.#heard = await this.#options.run(PEERS_KEY, { id: this.#id, liveMs: LIVE_MS })
      this.#beats++
    } catch {
      // The store says by itself that it is away.
    }
  }

  async close(): Promise<void> {
    this.#stop()
    await this.#options.run(PEERS_KEY, { id: this.#id, liveMs: 0 }).catch(() => {})
  }

  #atLeast(count: number): number {
    return Math.max(1, count, this.isSettled ? 1 : this.#options.expected)
  }
}
