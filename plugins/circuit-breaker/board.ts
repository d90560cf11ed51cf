import { type Host, messageOf } from '../../plugin-server/sdk.ts'
import type { ProbeResult } from './breaker.ts'
import {
  acquireHere,
  admit,
  adopt,
  advanceHere,
  type Cell,
  type Change,
  createCell,
  deciding,
  decidingLayer,
  goAlone,
  knownBy,
  type Layer,
  modeNow,
  reconfigure,
  record,
  retryAfterMs,
  seenBy,
  settleHere,
} from './cell.ts'
import { CHANNEL, fromMessage, toMessage } from './channel.ts'
import type { Call } from './classify.ts'
import type { Settings } from './config.ts'
import { BEAT_MS, Heartbeat } from './heartbeat.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { breakerScript, type Operation, type Snapshot, storeKey } from './script.ts'
import { createTally, type Tally } from './tally.ts'

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
/** An order that is older was told by those who heard it then. */
const NEWS_MS = 600_000
const PASS: Decision = { kind: 'pass' }

interface Entry {
  readonly cell: Cell
  /** For people: the name of the service or route, or its id while no name is known. */
  name: string
  /** The name; empty while it is not known. */
  named: string
  readonly tally: Tally
  /** Number of the configuration in force: a later instance's replaces an earlier one's. */
  configured: number
  /** Kept once the store was asked for the state for the first time; undefined afterwards. */
  loading: Promise<void> | undefined
  isSyncing: boolean
  /** Requests have come since the last report. */
  isDirty: boolean
  isActive: boolean
  usedAtMs: number
  syncedAtMs: number
  /** A permit is being asked for; its token is kept until the answer is known. */
  token: string | undefined
  isAsking: boolean
  /** Results that the store has not taken yet. */
  unsettled: Unsettled[]
}

interface Unsettled {
  readonly token: string
  readonly generation: number
  readonly result: ProbeResult
}

/** A configuration with its place in the order in which they came. */
export interface Configured {
  readonly settings: Settings
  readonly number: number
}

/**
 * All breakers of this process. While a breaker is closed, requests touch memory only: every 250 ms each one in use
 * is reported to the store in one call, which answers with the cluster's state; a channel brings changes at once.
 */
export class Board {
  readonly #host: BoardHost
  readonly #reporter: Reporter
  readonly #entries = new Map<string, Entry>()
  readonly #active = new Set<Entry>()
  readonly #id: string
  readonly #heartbeat: Heartbeat
  readonly #stops: (() => void)[]
  #timers: NodeJS.Timeout[] = []
  #tokens = 0
  #configured = 0

  constructor(host: BoardHost) {
    this.#host = host
    this.#reporter = createReporter(host)
    this.#id = `${host.node}/${Math.floor(host.random() * 2 ** 32).toString(36)}`
    this.#heartbeat = new Heartbeat(host.store, this.#id, reason =>
      host.log.debug({ reason }, 'no heartbeat'),
    )
    this.#stops = [
      host.store.watch(CHANNEL, message => this.#hear(message)),
      host.store.onAvailability(available => {
        if (available) return
        for (const { cell } of this.#entries.values())
          if (!host.store.canReach(storeKey(cell.key))) goAlone(cell)
      }),
    ]
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
  async beat(): Promise<void> {
    await this.#heartbeat.beat()
  }

  configure(settings: Settings): Configured {
    this.#configured += 1
    return { settings, number: this.#configured }
  }

  /** The breaker with its configuration; made on first use, when its state is also asked for. */
  open(key: string, { settings, number }: Configured, name?: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      const { clock } = this.#host
      const cell = createCell(key, settings.policy, settings.window, clock.now())
      entry = {
        cell,
        name: name ?? key.slice(key.indexOf(':') + 1),
        named: name ?? '',
        tally: createTally(),
        configured: number,
        loading: undefined,
        isSyncing: false,
        isDirty: false,
        isActive: false,
        usedAtMs: clock.monotonic(),
        syncedAtMs: clock.monotonic(),
        token: undefined,
        isAsking: false,
        unsettled: [],
      }
      this.#entries.set(key, entry)
      const loading = this.#sync(entry)
      if (loading !== undefined) {
        const made = entry
        made.loading = loading.finally(() => {
          made.loading = undefined
        })
      }
    } else if (entry.configured < number) {
      entry.configured = number
      reconfigure(entry.cell, settings.policy, settings.window)
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

  /** Decides about a request. Synchronous, but for the first request of a breaker and for one that could probe. */
  decide(entry: Entry): Decision | Promise<Decision> {
    if (entry.loading !== undefined) return entry.loading.then(() => this.decide(entry))
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
    const wallMs = clock.now()
    this.#use(entry, nowMs)
    entry.tally[call.outcome] += 1
    if (slow) entry.tally.slow += 1
    const probe = readProbeMark(call.mark)
    if (probe) {
      const result =
        call.outcome === 'none' ? 'none' : call.outcome === 'success' && !slow ? 'success' : 'failure'
      this.#settle(entry, probe, result)
      return
    }
    if (call.outcome === 'none' || call.mark !== undefined || modeNow(cell, nowMs) === 'disabled') return
    const { change, urgent } = record(cell, call, slow, nowMs, wallMs, random())
    entry.isDirty = true
    if (!urgent) return
    // The cluster may open for the same reason at once: then its event stands for this node's, too.
    const synced = this.#sync(entry) ?? Promise.resolve()
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
      if (this.#isDue(entry, nowMs)) pending.push(this.#sync(entry))
      else if (nowMs - entry.usedAtMs > IDLE_MS && cell.own.phase === 'closed') this.#rest(entry)
    }
    await Promise.all(pending)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    for (const stop of this.#stops) stop()
    await this.flush()
    await this.#heartbeat.close()
  }

  #use(entry: Entry, nowMs: number): void {
    entry.usedAtMs = nowMs
    if (entry.isActive) return
    entry.isActive = true
    this.#active.add(entry)
    // After a rest the state may be old: a message could have been missed.
    if (nowMs - entry.syncedAtMs > IDLE_MS) void this.#sync(entry)
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
    if (this.#host.store.kind === 'memory') return false
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
      return granted ? probeDecision(layer, generation, token) : this.#reject(entry, nowMs)
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
    const snapshot = await this.#run(entry, { op: 'acquire', token })
    entry.isAsking = false
    const nowMs = this.#host.clock.monotonic()
    // The lease may have been given all the same, so the token is kept: asking again finds it.
    if (snapshot === undefined) return this.#reject(entry, nowMs)
    entry.token = undefined
    if (snapshot.granted) {
      cell.leases ??= new Map()
      cell.leases.set(token, nowMs + cell.policy.probeMs)
      return probeDecision('shared', snapshot.generation, token)
    }
    if (snapshot.phase === 'half-open') cell.deniedUntilMs = nowMs + FLUSH_MS
    return admit(cell, nowMs) === 'pass' ? PASS : this.#reject(entry, nowMs)
  }

  #settle(entry: Entry, { layer, generation, token }: ProbeMark, result: ProbeResult): void {
    const { cell } = entry
    cell.leases?.delete(token)
    if (layer === 'own' || cell.alone) {
      const { clock, random } = this.#host
      const change = settleHere(
        cell,
        layer,
        token,
        generation,
        result,
        clock.monotonic(),
        clock.now(),
        random(),
      )
      this.#announce(entry, change)
      if (layer === 'own') return
    }
    entry.unsettled.push({ token, generation, result })
    void this.#sync(entry)
  }

  /** Tells the store what this node has, and takes its answer. Undefined when one is under way. */
  #sync(entry: Entry): Promise<void> | undefined {
    if (entry.isSyncing) return undefined
    entry.isSyncing = true
    return this.#exchange(entry).finally(() => {
      entry.isSyncing = false
    })
  }

  async #exchange(entry: Entry): Promise<void> {
    while (entry.unsettled.length > 0) {
      const next = entry.unsettled[0]!
      if (next.generation < entry.cell.shared.generation) entry.unsettled.shift()
      else if (await this.#run(entry, { op: 'settle', ...next })) entry.unsettled.shift()
      else return
    }
    entry.isDirty = false
    const seen = seenBy(entry.cell, this.#host.clock.monotonic())
    // Until all that live are known, the whole quorum is asked for.
    const peers = this.#heartbeat.isSettled ? this.#heartbeat.peers.nodes : entry.cell.policy.quorumNodes * 2
    await this.#run(entry, { op: 'report', seen, peers })
  }

  /** Undefined when the store did not answer. */
  async #run(entry: Entry, operation: Operation): Promise<Snapshot | undefined> {
    const { store, clock, random, log } = this.#host
    const { cell } = entry
    const nowMs = clock.monotonic()
    const mode =
      cell.modeUntilMs > 0 ? { ...cell.mode, remainingMs: Math.max(1, cell.modeUntilMs - nowMs) } : cell.mode
    cell.processes = this.#heartbeat.peers.processes
    const call = {
      operation,
      node: this.#id,
      name: entry.named,
      policy: cell.policy,
      known: knownBy(cell, nowMs),
      mode,
      draw: random(),
    }
    try {
      const snapshot = await store.run(breakerScript, storeKey(cell.key), call)
      entry.syncedAtMs = clock.monotonic()
      this.#adopt(entry, snapshot)
      if (snapshot.transitions.length > 0) {
        this.#reporter.announceShared(entry, snapshot)
        store
          .publish(CHANNEL, toMessage(cell.key, snapshot))
          .catch(error =>
            log.debug({ breaker: cell.key, reason: messageOf(error) }, 'breaker change not pushed'),
          )
      }
      return snapshot
    } catch (error) {
      if (!cell.alone) log.debug({ breaker: cell.key, reason: messageOf(error) }, 'breaker goes on alone')
      goAlone(cell)
      return undefined
    }
  }

  #hear(message: string): void {
    try {
      const { breaker, snapshot } = fromMessage(message)
      const entry = this.#entries.get(breaker)
      if (entry && !entry.cell.alone) this.#adopt(entry, snapshot)
    } catch (error) {
      this.#host.log.warn({ reason: messageOf(error) }, 'breaker message not understood')
    }
  }

  #adopt(entry: Entry, snapshot: Snapshot): void {
    const { clock } = this.#host
    const { sequence } = entry.cell.mode
    adopt(entry.cell, snapshot, clock.monotonic(), clock.now())
    const { mode } = entry.cell
    if (mode.sequence > sequence && snapshot.atMs - mode.sequence < NEWS_MS)
      this.#reporter.announceMode(entry, mode)
  }

  #announce(entry: Entry, change: Change): void {
    if (change.transitions.length > 0) this.#reporter.announceOwn(entry, change)
  }

  #nextToken(): string {
    this.#tokens += 1
    return `${this.#id}/${this.#tokens.toString(36)}`
  }
}

export type BreakerEntry = Entry

interface ProbeMark {
  readonly layer: Layer
  readonly generation: number
  readonly token: string
}

const probeDecision = (layer: Layer, generation: number, token: string): Decision => ({
  kind: 'probe',
  mark: `probe ${layer} ${generation} ${token}`,
})

function readProbeMark(mark: string | undefined): ProbeMark | undefined {
  const [word, layer, generation, token] = mark?.split(' ') ?? []
  if (word !== 'probe' || (layer !== 'own' && layer !== 'shared') || !token) return undefined
  return { layer, generation: Number(generation), token }
}
