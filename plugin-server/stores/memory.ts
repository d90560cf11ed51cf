import type { Clock } from '../../foundation/clock.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import type { Peers, Store, StoredBytes, StoredHash, StoreScript } from '../../sdk/store.ts'
import { MemoryBytes } from './memory-bytes.ts'
import { createSteadyTime } from './steady-time.ts'

interface Entry {
  readonly key: string
  readonly hash: StoredHash
  expiresAtMicros: number
  /** Place in the list that the sweep walks. */
  place: number
}

export interface MemoryStoreOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  /** Above this many keys, each new one displaces one of those that would expire soonest. */
  readonly maxKeys?: number
}

/** How many old keys each call looks at: more than one, so that the sweep outruns the growth. */
const SWEPT_PER_CALL = 2
/** How many keys are compared when one has to go, and how far apart they lie in the list. */
const EVICTION_SAMPLE = 16
const EVICTION_STRIDE = 7919

/**
 * State of one process. Answers without a promise, so that a caller can decide in the same turn.
 *
 * Expired keys go by a sweep that every call moves on a little: there is no timer, and no pause that grows with the
 * number of keys.
 */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly patient = this
  readonly available = true
  readonly peers: Peers = { nodes: 1, processes: 1, isSettled: true }
  readonly #entries = new Map<string, Entry>()
  /** The same entries in no order, so that a sweep and a sample can take them by place. */
  readonly #list: Entry[] = []
  readonly #watchers = new Map<string, Set<(message: string) => void>>()
  readonly #bytes: MemoryBytes
  readonly #nowMicros: () => number
  readonly #maxKeys: number
  readonly #evicted
  #sweep = 0

  constructor(options: MemoryStoreOptions) {
    this.#nowMicros = createSteadyTime(options.clock)
    this.#maxKeys = options.maxKeys ?? 500_000
    this.#bytes = new MemoryBytes(() => this.#nowMicros() / 1000)
    this.#evicted = options.metrics
      .counter('sluice_store_evicted_total', 'keys that memory had to give up before they expired')
      .with({})
  }

  /** Number of keys, expired ones that the sweep has not reached included. */
  get size(): number {
    return this.#entries.size
  }

  canReach(): boolean {
    return true
  }

  run<Result, Args>(script: StoreScript<Result, Args>, key: string, args: Args): Result {
    const now = this.#nowMicros()
    this.#sweepSome(now)
    let entry = this.#entries.get(key)
    const isKnown = entry !== undefined
    if (!entry) entry = { key, hash: new Map(), expiresAtMicros: 0, place: -1 }
    else if (entry.expiresAtMicros <= now) entry.hash.clear()
    const { result, expireInMs } = script.apply(entry.hash, args, now)
    entry.expiresAtMicros = now + expireInMs * 1000
    const isEmpty = entry.hash.size === 0 || expireInMs <= 0
    if (isKnown && isEmpty) this.#remove(entry)
    if (!isKnown && !isEmpty) this.#add(entry)
    return result
  }

  async readBytes(keys: readonly string[]): Promise<readonly (StoredBytes | undefined)[]> {
    return keys.map(key => this.#bytes.get(key))
  }

  async writeBytes(key: string, bytes: Uint8Array, expireInMs: number): Promise<void> {
    this.#bytes.set(key, bytes, expireInMs)
  }

  async publish(channel: string, message: string): Promise<void> {
    for (const hear of this.#watchers.get(channel) ?? []) queueMicrotask(() => hear(message))
  }

  watch(
    channel: string,
    hear: (message: string) => void,
    onListening?: (isListening: boolean) => void,
  ): () => void {
    const watchers = this.#watchers.get(channel) ?? new Set()
    this.#watchers.set(channel, watchers.add(hear))
    onListening?.(true)
    return () => {
      watchers.delete(hear)
      if (watchers.size === 0) this.#watchers.delete(channel)
    }
  }

  onAvailability(): () => void {
    return () => {}
  }

  async ready(): Promise<boolean> {
    return true
  }

  async *keys(prefix: string): AsyncIterable<string> {
    const now = this.#nowMicros()
    for (const [key, entry] of this.#entries)
      if (key.startsWith(prefix) && entry.expiresAtMicros > now) yield key
    for (const key of this.#bytes.keys()) if (key.startsWith(prefix)) yield key
  }

  async close(): Promise<void> {
    this.#entries.clear()
    this.#list.length = 0
    this.#bytes.clear()
    this.#watchers.clear()
  }

  #add(entry: Entry): void {
    if (this.#entries.size >= this.#maxKeys) this.#evictOne()
    entry.place = this.#list.push(entry) - 1
    this.#entries.set(entry.key, entry)
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key)
    const last = this.#list.pop()!
    if (last === entry) return
    last.place = entry.place
    this.#list[last.place] = last
  }

  #sweepSome(now: number): void {
    for (let i = 0; i < SWEPT_PER_CALL && this.#list.length > 0; i++) {
      this.#sweep = (this.#sweep + 1) % this.#list.length
      const entry = this.#list[this.#sweep]!
      if (entry.expiresAtMicros <= now) this.#remove(entry)
    }
  }

  #evictOne(): void {
    const size = this.#list.length
    let soonest = this.#list[this.#sweep % size]!
    for (let i = 1; i < EVICTION_SAMPLE; i++) {
      const other = this.#list[(this.#sweep + i * EVICTION_STRIDE) % size]!
      if (other.expiresAtMicros < soonest.expiresAtMicros) soonest = other
    }
    this.#remove(soonest)
    this.#evicted.add()
  }
}
