import { createLogEventCounter, type Host } from '../../sdk/sdk.ts'
import type { ProbeKind } from './breaker.ts'
import type { Call } from './classify.ts'
import type { Settings } from './config.ts'
import { FallbackResolver } from './fallback-resolver.ts'
import {
  admit,
  advanceHere,
  type Change,
  count,
  deciding,
  modeNow,
  type NodeMoment,
  passesAll,
  reconfigure,
  trip,
} from './node-breaker.ts'
import { readMark } from './probe.ts'
import { type Decision, PASS, Prober, rejection } from './prober.ts'
import { type Configured, createRegistryEntry, type RegistryEntry } from './registry-entry.ts'
import { Reporter } from './reporter.ts'
import { Sharing } from './sharing.ts'

export type RegistryHost = Pick<Host, 'node' | 'clock' | 'random' | 'log' | 'metrics' | 'store' | 'events'>

export type { Decision } from './prober.ts'

/** What a request that could probe asks for. */
export type KindOf = () => Promise<ProbeKind> | ProbeKind

const anyRequest: KindOf = () => 'request'

/** How often a node tells the cluster what it has seen. */
export const FLUSH_MS = 250
const FORGET_EVERY_MS = 1000
/** How often it tells that all is well, and asks about a breaker that is not closed and has no requests. */
const QUIET_SYNC_MS = 1000
/** A breaker without requests for this long is asked about again when the next one comes. */
const IDLE_MS = 30_000
/** A closed breaker without requests for this long is forgotten: its service may be gone from Kong. */
const FORGET_MS = 3_600_000

/**
 * All breakers of this process. While a breaker is closed, requests touch memory only: every 250 ms each one in use
 * is reported to the store in one call, which answers with the cluster's state; a channel brings changes at once.
 */
export class BreakerRegistry {
  /** Addresses of fallback hosts. */
  readonly fallbacks: FallbackResolver
  readonly countLogEvent: ReturnType<typeof createLogEventCounter>
  readonly #host: RegistryHost
  readonly #reporter: Reporter
  readonly #entries = new Map<string, RegistryEntry>()
  readonly #active = new Set<RegistryEntry>()
  readonly #id: string
  readonly #sharing: Sharing
  readonly #prober: Prober
  #timers: NodeJS.Timeout[] = []
  #configured = 0

  constructor(host: RegistryHost) {
    this.#host = host
    this.countLogEvent = createLogEventCounter(host.metrics, 'circuit-breaker')
    this.fallbacks = new FallbackResolver(host.clock)
    this.#reporter = new Reporter(host)
    this.#id = `${host.node}/${Math.floor(host.random() * 2 ** 32).toString(36)}`
    this.#sharing = new Sharing(host, this.#id, this.#entries, this.#reporter)
    this.#prober = new Prober({
      host,
      id: this.#id,
      sharing: this.#sharing,
      announce: (entry, change) => this.#announce(entry, change),
      entryOf: breaker => this.#entries.get(breaker),
    })
  }

  /** Begins to report by itself. */
  start(): this {
    this.#timers = [
      setInterval(() => void this.flush(), FLUSH_MS).unref(),
      setInterval(() => this.forgetUnused(), FORGET_EVERY_MS).unref(),
    ]
    return this
  }

  /** Drops breakers that nobody has used for an hour, unless they are open or ordered. */
  forgetUnused(): void {
    const nowMs = this.#host.clock.monotonic()
    for (const [key, { breaker, usedAtMs, isActive }] of this.#entries) {
      if (isActive || nowMs - usedAtMs <= FORGET_MS) continue
      if (deciding(breaker).phase === 'closed' && modeNow(breaker, nowMs) === 'auto')
        this.#entries.delete(key)
    }
  }

  configure(settings: Settings): Configured {
    this.#configured += 1
    return { settings, number: this.#configured }
  }

  /** The breaker with its configuration; made on first use, when its state is also asked for. */
  open(key: string, configured: Configured, name?: string): RegistryEntry {
    const entry = this.#entries.get(key) ?? this.#make(key, configured, name)
    if (entry.configured < configured.number) {
      entry.configured = configured.number
      reconfigure(entry.breaker, configured.settings.policy, configured.settings.window)
    }
    // The access phase of an entry with its own breaker knows no name; the log phase does.
    if (name !== undefined && entry.named !== name) entry.name = entry.named = name
    return entry
  }

  /** Whether an operator wants it to decide without rejecting. */
  isObserving({ breaker }: RegistryEntry): boolean {
    return modeNow(breaker, this.#host.clock.monotonic()) === 'metrics-only'
  }

  count(entry: RegistryEntry, what: 'rejected' | 'fallback' | 'shadow'): void {
    entry.tally[what] += 1
  }

  /** How many breakers this process remembers. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * Decides about a request. Synchronous, but for the first request of a breaker and for one that could probe.
   *
   * @param kindOf asked for a request that could probe.
   */
  decide(entry: RegistryEntry, kindOf: KindOf = anyRequest): Decision | Promise<Decision> {
    if (entry.loading !== undefined) return entry.loading.then(() => this.decide(entry, kindOf))
    // The usual way asks for no time: its log phase will note that the breaker is in use.
    if (entry.isActive && passesAll(entry.breaker)) return PASS
    const nowMs = this.#host.clock.monotonic()
    this.#use(entry, nowMs)
    switch (admit(entry.breaker, nowMs)) {
      case 'pass':
        return PASS
      case 'reject':
        return rejection(entry, nowMs)
      case 'probe':
        return this.#probe(entry, kindOf)
    }
  }

  /** Takes the outcome of a finished request. */
  record(entry: RegistryEntry, call: Call, slow: boolean): void {
    const { breaker } = entry
    const nowMs = this.#host.clock.monotonic()
    this.#use(entry, nowMs)
    const noted = readMark(call.mark)
    // Rejected, or sent elsewhere: the upstream was not asked.
    if (call.mark !== undefined && noted === undefined) return
    entry.tally[call.outcome] += 1
    if (slow) entry.tally.slow += 1
    if (noted) {
      const result =
        call.outcome === 'none' ? 'none' : call.outcome === 'success' && !slow ? 'success' : 'failure'
      this.#prober.settle(entry, noted, result)
      return
    }
    if (call.outcome === 'none' || modeNow(breaker, nowMs) === 'disabled') return
    entry.isDirty = true
    if (!count(breaker, call, slow, nowMs)) return
    const change = trip(breaker, this.#moment())
    // The cluster may open for the same reason at once: then its event stands for this node's, too.
    const synced = this.#sharing.sync(entry) ?? Promise.resolve()
    if (change) void synced.then(() => breaker.shared.phase === 'closed' && this.#announce(entry, change))
  }

  /** Reports every breaker in use to the store, once. */
  async flush(): Promise<void> {
    const { nowMs } = this.#moment()
    const pending: (Promise<void> | undefined)[] = []
    for (const entry of this.#active) {
      const { breaker } = entry
      for (const change of advanceHere(breaker, this.#moment())) this.#announce(entry, change)
      this.#reporter.show(entry)
      if (this.#isDue(entry, nowMs)) pending.push(this.#sharing.sync(entry))
      else if (nowMs - entry.usedAtMs > IDLE_MS && breaker.own.phase === 'closed') this.#rest(entry)
    }
    await Promise.all(pending)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.flush()
    this.#prober.close()
    this.#sharing.close()
  }

  #make(key: string, configured: Configured, name: string | undefined): RegistryEntry {
    const { clock } = this.#host
    const entry = createRegistryEntry(key, configured, name, clock.monotonic())
    this.#entries.set(key, entry)
    entry.loading = this.#sharing.load(entry).finally(() => {
      entry.loading = undefined
    })
    return entry
  }

  #use(entry: RegistryEntry, nowMs: number): void {
    entry.usedAtMs = nowMs
    if (entry.isActive) return
    entry.isActive = true
    this.#active.add(entry)
    // After a rest the state may be old: a message could have been missed.
    if (nowMs - entry.syncedAtMs > IDLE_MS) void this.#sharing.sync(entry)
  }

  #rest(entry: RegistryEntry): void {
    entry.isActive = false
    this.#active.delete(entry)
  }

  #isDue(entry: RegistryEntry, nowMs: number): boolean {
    const { breaker } = entry
    if (entry.unsettled.length > 0 || breaker.alone) return true
    const isQuiet = nowMs - entry.syncedAtMs < QUIET_SYNC_MS
    if (deciding(breaker).phase !== 'closed') return entry.isDirty || !isQuiet
    // Without peers failures are reported when they happen.
    if (!this.#sharing.hasPeers) return false
    breaker.window.expire(nowMs)
    if (breaker.window.calls === 0) return entry.isDirty
    // The others need to know that all is well here, but only trouble makes them need it at once.
    return breaker.window.failures > 0 || breaker.window.slow > 0 || breaker.hasTrouble || !isQuiet
  }

  async #probe(entry: RegistryEntry, kindOf: KindOf): Promise<Decision> {
    const kind = await kindOf()
    const nowMs = this.#host.clock.monotonic()
    // The breaker may have changed meanwhile.
    const admission = admit(entry.breaker, nowMs)
    if (admission === 'pass') return PASS
    return admission === 'reject' ? rejection(entry, nowMs) : this.#prober.ask(entry, kind)
  }

  #moment(): NodeMoment {
    const { clock, random } = this.#host
    return { nowMs: clock.monotonic(), wallMs: clock.now(), draw: random() }
  }

  #announce(entry: RegistryEntry, change: Change): void {
    if (change.transitions.length > 0) this.#reporter.announceOwn(entry, change)
  }
}
