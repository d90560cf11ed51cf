import type { Host } from '../../sdk/sdk.ts'
import type { ProbeResult } from './breaker.ts'
import {
  acquireHere,
  admit,
  advanceHere,
  type Change,
  count,
  deciding,
  decidingLayer,
  modeNow,
  passesAll,
  reconfigure,
  retryAfterMs,
  settleHere,
  trip,
} from './cell.ts'
import type { Call } from './classify.ts'
import type { Settings } from './config.ts'
import { type Configured, createEntry, type Entry } from './entry.ts'
import { BEAT_MS } from './heartbeat.ts'
import { Names } from './names.ts'
import { type Probe, readMark, writeMark } from './probe.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { Sharing } from './sharing.ts'

export type BoardHost = Pick<Host, 'node' | 'clock' | 'random' | 'log' | 'metrics' | 'store' | 'events'>

export type Decision =
  | { readonly kind: 'pass' }
  | { readonly kind: 'probe'; readonly mark: string }
  | { readonly kind: 'reject'; readonly retryAfterMs: number }

/** How often a node tells the cluster what it has seen. */
export const FLUSH_MS = 250
/** How often it tells that all is well, and asks about a breaker that is not closed and has no requests. */
const QUIET_SYNC_MS = 1000
/** A breaker without requests for this long is asked about again when the next one comes. */
const IDLE_MS = 30_000
/** A closed breaker without requests for this long is forgotten: its service may be gone from Kong. */
const FORGET_MS = 3_600_000
const PASS: Decision = { kind: 'pass' }

/**
 * All breakers of this process. While a breaker is closed, requests touch memory only: every 250 ms each one in use
 * is reported to the store in one call, which answers with the cluster's state; a channel brings changes at once.
 */
export class Board {
  /** Names of fallback hosts, resolved. */
  readonly names: Names
  readonly #host: BoardHost
  readonly #reporter: Reporter
  readonly #entries = new Map<string, Entry>()
  readonly #active = new Set<Entry>()
  readonly #id: string
  readonly #sharing: Sharing
  #timers: NodeJS.Timeout[] = []
  #tokens = 0
  #configured = 0

  constructor(host: BoardHost) {
    this.#host = host
    this.names = new Names(host.clock)
    this.#reporter = createReporter(host)
    this.#id = `${host.node}/${Math.floor(host.random() * 2 ** 32).toString(36)}`
    this.#sharing = new Sharing(host, this.#id, this.#entries, this.#reporter)
  }

  /** Begins to report by itself. */
  start(): this {
    this.#timers = [
      setInterval(() => void this.flush(), FLUSH_MS).unref(),
      setInterval(() => void this.beat(), BEAT_MS).unref(),
    ]
    void this.beat()
    return this
  }

  /** Tells the other processes that this one lives, and hears who else does. */
  beat(): Promise<void> {
    this.#forgetUnused()
    return this.#sharing.beat()
  }

  configure(settings: Settings): Configured {
    this.#configured += 1
    return { settings, number: this.#configured }
  }

  /** The breaker with its configuration; made on first use, when its state is also asked for. */
  open(key: string, configured: Configured, name?: string): Entry {
    const entry = this.#entries.get(key) ?? this.#make(key, configured, name)
    if (entry.configured < configured.number) {
      entry.configured = configured.number
      reconfigure(entry.cell, configured.settings.policy, configured.settings.window)
    }
    // The access phase of an entry with its own breaker knows no name; the log phase does.
    if (name !== undefined && entry.named !== name) entry.name = entry.named = name
    return entry
  }

  /** Whether an operator wants it to decide without rejecting. */
  isObserving({ cell }: Entry): boolean {
    return modeNow(cell, this.#host.clock.monotonic()) === 'metrics-only'
  }

  count(entry: Entry, what: 'rejected' | 'fallback' | 'shadow'): void {
    entry.tally[what] += 1
  }

  /** How many breakers this process remembers. */
  get size(): number {
    return this.#entries.size
  }

  /** Decides about a request. Synchronous, but for the first request of a breaker and for one that could probe. */
  decide(entry: Entry): Decision | Promise<Decision> {
    if (entry.loading !== undefined) return entry.loading.then(() => this.decide(entry))
    // The usual way asks for no time: its log phase will note that the breaker is in use.
    if (entry.isActive && passesAll(entry.cell)) return PASS
    const nowMs = this.#host.clock.monotonic()
    this.#use(entry, nowMs)
    switch (admit(entry.cell, nowMs)) {
      case 'pass':
        return PASS
      case 'reject':
        return this.#reject(entry, nowMs)
      case 'probe':
        return this.#askToProbe(entry, nowMs)
    }
  }

  /** Takes the outcome of a finished request. */
  record(entry: Entry, call: Call, slow: boolean): void {
    const { clock, random } = this.#host
    const { cell } = entry
    const nowMs = clock.monotonic()
    this.#use(entry, nowMs)
    const noted = readMark(call.mark)
    // Rejected, or sent elsewhere: the upstream was not asked.
    if (call.mark !== undefined && noted === undefined) return
    entry.tally[call.outcome] += 1
    if (slow) entry.tally.slow += 1
    if (noted) {
      const result =
        call.outcome === 'none' ? 'none' : call.outcome === 'success' && !slow ? 'success' : 'failure'
      this.#settle(entry, noted, result)
      return
    }
    if (call.outcome === 'none' || modeNow(cell, nowMs) === 'disabled') return
    entry.isDirty = true
    if (!count(cell, call, slow, nowMs)) return
    const change = trip(cell, nowMs, clock.now(), random())
    // The cluster may open for the same reason at once: then its event stands for this node's, too.
    const synced = this.#sharing.sync(entry) ?? Promise.resolve()
    if (change) void synced.then(() => cell.shared.phase === 'closed' && this.#announce(entry, change))
  }

  /** Reports every breaker in use to the store, once. */
  async flush(): Promise<void> {
    const { clock, random } = this.#host
    const nowMs = clock.monotonic()
    const pending: (Promise<void> | undefined)[] = []
    for (const entry of this.#active) {
      const { cell } = entry
      for (const change of advanceHere(cell, nowMs, clock.now(), random())) this.#announce(entry, change)
      this.#reporter.show(entry)
      if (this.#isDue(entry, nowMs)) pending.push(this.#sharing.sync(entry))
      else if (nowMs - entry.usedAtMs > IDLE_MS && cell.own.phase === 'closed') this.#rest(entry)
    }
    await Promise.all(pending)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.flush()
    await this.#sharing.close()
  }

  #make(key: string, configured: Configured, name: string | undefined): Entry {
    const { clock } = this.#host
    const entry = createEntry(key, configured, name, clock.monotonic())
    this.#entries.set(key, entry)
    entry.loading = this.#sharing.load(entry).finally(() => {
      entry.loading = undefined
    })
    return entry
  }

  #use(entry: Entry, nowMs: number): void {
    entry.usedAtMs = nowMs
    if (entry.isActive) return
    entry.isActive = true
    this.#active.add(entry)
    // After a rest the state may be old: a message could have been missed.
    if (nowMs - entry.syncedAtMs > IDLE_MS) void this.#sharing.sync(entry)
  }

  #forgetUnused(): void {
    const nowMs = this.#host.clock.monotonic()
    for (const [key, { cell, usedAtMs, isActive }] of this.#entries) {
      if (isActive || nowMs - usedAtMs <= FORGET_MS) continue
      if (deciding(cell).phase === 'closed' && modeNow(cell, nowMs) === 'auto') this.#entries.delete(key)
    }
  }

  #rest(entry: Entry): void {
    entry.isActive = false
    this.#active.delete(entry)
  }

  #isDue(entry: Entry, nowMs: number): boolean {
    const { cell } = entry
    if (entry.unsettled.length > 0 || cell.alone) return true
    const isQuiet = nowMs - entry.syncedAtMs < QUIET_SYNC_MS
    if (deciding(cell).phase !== 'closed') return entry.isDirty || !isQuiet
    // With nobody to agree with, trouble is told when it comes.
    if (!this.#sharing.hasPeers) return false
    cell.window.expire(nowMs)
    if (cell.window.calls === 0) return entry.isDirty
    // The others need to know that all is well here, but only trouble makes them need it at once.
    return cell.window.failures > 0 || cell.window.slow > 0 || cell.hasTrouble || !isQuiet
  }

  #reject(entry: Entry, nowMs: number): Decision {
    return { kind: 'reject', retryAfterMs: retryAfterMs(entry.cell, nowMs) }
  }

  #askToProbe(entry: Entry, nowMs: number): Decision | Promise<Decision> {
    const { cell } = entry
    if (decidingLayer(cell) === 'own' || cell.alone) {
      const { clock, random } = this.#host
      const layer = decidingLayer(cell)
      const token = this.#nextToken()
      const { granted, generation, change } = acquireHere(cell, token, nowMs, clock.now(), random())
      this.#announce(entry, change)
      return granted ? probe({ layer, generation, token }) : this.#reject(entry, nowMs)
    }
    // One asks at a time: the others are told at once.
    if (entry.isAsking) return this.#reject(entry, nowMs)
    return this.#askStore(entry)
  }

  async #askStore(entry: Entry): Promise<Decision> {
    const { cell } = entry
    entry.isAsking = true
    entry.token ??= this.#nextToken()
    const { token } = entry
    const snapshot = await this.#sharing.run(entry, { op: 'acquire', token })
    entry.isAsking = false
    const nowMs = this.#host.clock.monotonic()
    // The lease may have been given all the same, so the token is kept: asking again finds it.
    if (snapshot === undefined) return this.#reject(entry, nowMs)
    entry.token = undefined
    if (snapshot.granted) {
      cell.leases ??= new Map()
      cell.leases.set(token, nowMs + cell.policy.probeMs)
      return probe({ layer: 'shared', generation: snapshot.generation, token })
    }
    if (snapshot.phase === 'half-open') cell.deniedUntilMs = nowMs + FLUSH_MS
    return admit(cell, nowMs) === 'pass' ? PASS : this.#reject(entry, nowMs)
  }

  #settle(entry: Entry, { layer, generation, token }: Probe, result: ProbeResult): void {
    const { cell } = entry
    const { clock, random } = this.#host
    cell.leases?.delete(token)
    if (layer === 'own' || cell.alone) {
      const [nowMs, wallMs] = [clock.monotonic(), clock.now()]
      this.#announce(entry, settleHere(cell, layer, token, generation, result, nowMs, wallMs, random()))
      if (layer === 'own') return
    }
    entry.unsettled.push({ token, generation, result })
    void this.#sharing.sync(entry)
  }

  #announce(entry: Entry, change: Change): void {
    if (change.transitions.length > 0) this.#reporter.announceOwn(entry, change)
  }

  #nextToken(): string {
    this.#tokens += 1
    return `${this.#id}/${this.#tokens.toString(36)}`
  }
}

const probe = (noted: Probe): Decision => ({ kind: 'probe', mark: writeMark(noted) })
