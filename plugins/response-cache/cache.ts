/** What a process knows of stored answers: its own memory, and what it hears from others. */
import { randomUUID } from 'node:crypto'
import { BoundedMap, type HeaderMap, type Host, messageOf, type Timers } from '../../sdk/sdk.ts'
import { Channel, type FillOutcome, type Message } from './channel.ts'
import type { Directives } from './directives.ts'
import type { Entry } from './entry.ts'
import { Flights } from './flights.ts'
import { type Names, variantName } from './key.ts'
import type { FillMark } from './mark.ts'
import { MemoryLevel } from './memory.ts'
import { NODES_KEY, nodesScript, TELL_MS } from './nodes.ts'
import { type Use, usable } from './policy.ts'
import { PurgeOrders } from './purge.ts'
import { CacheReporter } from './reporter.ts'
import { SharedLevel } from './shared-level.ts'
import { VaryLists } from './vary.ts'

/** Generations and uncacheable requests that are remembered. */
const REMEMBERED = 100_000
/** How long memory counts while messages may be lost. */
const WITHOUT_MESSAGES_MS = 5000

/** A request that may be answered from the cache. */
export interface Asked {
  readonly names: Names
  readonly headers: HeaderMap
  /** What the client asks of a cache; empty where it is not listened to. */
  readonly directives: Directives
}

export interface Found {
  readonly entry: Entry
  readonly ageMs: number
  readonly use: Use
}

type CacheHost = Pick<Host, 'store' | 'clock' | 'log' | 'metrics' | 'events' | 'node' | 'random'>

export class ResponseCache {
  readonly host: CacheHost
  readonly timers: Timers
  readonly memory: MemoryLevel
  readonly vary = new VaryLists()
  readonly orders = new PurgeOrders()
  readonly flights = new Flights()
  readonly reporter: CacheReporter
  /** Undefined where the store is memory: then there is nobody to share with. */
  readonly shared: SharedLevel | undefined
  readonly #channel: Channel
  readonly #id = randomUUID()
  #stopTelling = () => {}
  readonly #generations = new BoundedMap<string>(REMEMBERED)
  readonly #uncacheable = new BoundedMap<number>(REMEMBERED)
  readonly #remote = new Map<string, Set<(outcome: FillOutcome) => void>>()
  readonly #failing = new BoundedMap<number>(REMEMBERED)

  constructor(host: CacheHost, timers: Timers, memoryBytes: number) {
    this.host = host
    this.timers = timers
    this.reporter = new CacheReporter(host)
    this.memory = new MemoryLevel(memoryBytes, () => this.reporter.evicted())
    this.shared = host.store.kind === 'redis' ? new SharedLevel(host, timers) : undefined
    this.#channel = new Channel({
      host,
      timers,
      hear: message => this.#hear(message),
      onRestored: () => void this.#restore(),
    })
    this.reporter.watch(() => this.memory.counts, timers)
    if (this.shared) this.#stopTelling = timers.every(TELL_MS, () => void this.#tellCounts())
  }

  get nowMs(): number {
    return this.host.clock.monotonic()
  }

  nameOf({ names, headers }: Asked): string {
    return variantName(names.primary, this.vary.get(names.primary), headers)
  }

  /** What memory has; costs no call. */
  find(asked: Asked, name: string): Found | undefined {
    const held = this.memory.get(name)
    if (!held) return undefined
    const { entry, putMs } = held
    const now = this.nowMs
    const ageMs = now - entry.bornMs
    const use = usable(entry.lifetime, ageMs, asked.directives)
    if (use === 'none') return undefined
    const { lostMs } = this.#channel
    const isUncertain = lostMs !== undefined && now - Math.max(putMs, lostMs) > WITHOUT_MESSAGES_MS
    return { entry, ageMs, use: isUncertain ? 'ask-first' : use }
  }

  /** Of a path, as far as this process has heard. */
  generationOf(path: string): string {
    return this.#generations.get(path) ?? ''
  }

  isUncacheable(name: string): boolean {
    return (this.#uncacheable.get(name) ?? 0) > this.nowMs
  }

  /** The service failed for it of late: a stale answer goes out without asking again. */
  isFailing(name: string): boolean {
    return (this.#failing.get(name) ?? 0) > this.nowMs
  }

  noteFailing(name: string, ms: number): void {
    this.#failing.set(name, this.nowMs + ms)
  }

  rememberUncacheable(name: string, ms: number): void {
    if (ms > 0) this.#uncacheable.set(name, this.nowMs + ms)
  }

  /** @returns whether it is in memory: not where what it was made of has been invalidated meanwhile. */
  put(name: string, entry: Entry): boolean {
    if (!this.isValid(entry)) return false
    this.memory.put(name, entry, this.nowMs)
    return true
  }

  /** Neither invalidated nor purged, as far as this process has heard. */
  isValid(entry: Entry): boolean {
    const known = this.#generations.get(entry.path)
    return (known === undefined || known === entry.generation) && !this.orders.isPurged(entry)
  }

  /** Ends a fetch for all who wait for it, wherever they are. */
  finish(mark: FillMark, outcome: FillOutcome): void {
    this.shared?.unlock(mark)
    void this.#channel.tell({ type: 'done', flight: mark.flight, token: mark.token, outcome })
  }

  /** Makes what is stored for a path invalid on all nodes. Resolves when the other nodes have been told. */
  async invalidate(path: string): Promise<void> {
    const generation = randomUUID().slice(0, 18)
    this.#raise(path, generation)
    if (!this.shared) return
    const [isTold] = await Promise.all([
      this.shared.raiseGeneration(path, generation),
      this.#channel.tell({ type: 'path', path, generation }),
    ])
    if (!isTold) this.reporter.invalidationUntold()
  }

  async #tellCounts(): Promise<void> {
    const { node, store } = this.host
    const counts = { node, ...this.memory.counts, requests: this.reporter.requests }
    try {
      await store.run(nodesScript, NODES_KEY, { id: this.#id, counts })
    } catch {
      // Who looks sees that this process is silent.
    }
  }

  async close(): Promise<void> {
    this.#stopTelling()
    this.#channel.close()
    this.shared?.close()
    this.reporter.close()
    this.flights.close()
    this.memory.clear()
  }

  #raise(path: string, generation: string): void {
    this.#generations.set(path, generation)
    this.memory.deletePath(path, generation)
  }

  #hear(message: Message): void {
    switch (message.type) {
      case 'path':
        this.#raise(message.path, message.generation)
        return
      case 'purge': {
        const { order } = message
        this.orders.add(order)
        const count = this.memory.deleteWhere(entry => this.orders.isPurged(entry))
        this.reporter.purged(order, count)
        return
      }
      case 'done':
        this.#whenDone(message.flight, message.outcome)
    }
  }

  /** Another process may have fetched what is waited for here; who waits reads it from Redis. */
  #whenDone(name: string, outcome: FillOutcome): void {
    const hear = this.#remote.get(name)
    if (hear) for (const each of hear) each(outcome)
  }

  /** Hears of fetches of other processes until the returned function is called. */
  onDone(flight: string, hear: (outcome: FillOutcome) => void): () => void {
    const listeners = this.#remote.get(flight) ?? new Set()
    this.#remote.set(flight, listeners.add(hear))
    return () => {
      listeners.delete(hear)
      if (listeners.size === 0) this.#remote.delete(flight)
    }
  }

  async #restore(): Promise<void> {
    this.memory.clear()
    try {
      await this.shared?.readOrders(this.orders)
      this.memory.deleteWhere(entry => this.orders.isPurged(entry))
    } catch (error) {
      this.host.log.debug({ reason: messageOf(error) }, 'the purges of the cache could not be read')
    }
  }
}
