import { type Host, messageOf } from '../../sdk/sdk.ts'
import { CHANNEL, fromMessage, toMessage } from './channel.ts'
import { adopt, goAlone, knownBy, seenBy } from './node-breaker.ts'
import type { RegistryEntry } from './registry-entry.ts'
import type { Reporter } from './reporter.ts'
import { breakerScript, type Operation, type Snapshot, storeKey } from './script.ts'

export type SharingHost = Pick<Host, 'clock' | 'random' | 'log' | 'store'>

/** Older orders were announced by the processes that were running then. */
const NEWS_MS = 600_000

/** How long after the start of the process its first requests wait for the connection to Redis. */
const CONNECT_MS = 250

/** What this process tells the store about its breakers, and hears from it. */
export class Sharing {
  readonly #host: SharingHost
  readonly #id: string
  readonly #entries: ReadonlyMap<string, RegistryEntry>
  readonly #reporter: Reporter
  readonly #stops: readonly (() => void)[]
  /** Resolves once the store can be used, or after CONNECT_MS without it. */
  readonly #connected: Promise<unknown>

  /** @param id `<node>/<process>` */
  constructor(
    host: SharingHost,
    id: string,
    entries: ReadonlyMap<string, RegistryEntry>,
    reporter: Reporter,
  ) {
    this.#host = host
    this.#id = id
    this.#entries = entries
    this.#reporter = reporter
    const { store } = host
    this.#connected = store.ready(CONNECT_MS)
    this.#stops = [
      store.watch(CHANNEL, message => this.#hear(message)),
      store.onAvailability(available => {
        for (const entry of entries.values()) {
          const { breaker, isActive } = entry
          if (!available && !store.canReach(storeKey(breaker.key))) goAlone(breaker)
          // Those in use are told of soon. One at rest would hear no order until after its next request.
          if (available && breaker.alone && !isActive) void this.sync(entry)
        }
      }),
    ]
  }

  /** False in memory, where there is nobody to agree with. */
  get hasPeers(): boolean {
    return this.#host.store.kind === 'redis'
  }

  /** Asks for the state of a breaker that this process has not had yet. */
  async load(entry: RegistryEntry): Promise<void> {
    await this.#connected
    await this.sync(entry)
  }

  /** Tells what this node has seen, and takes the cluster's state. Undefined when that is under way already. */
  sync(entry: RegistryEntry): Promise<void> | undefined {
    if (entry.isSyncing) return undefined
    entry.isSyncing = true
    return this.#exchange(entry).finally(() => {
      entry.isSyncing = false
    })
  }

  /** One operation; undefined when the store did not answer. The script may have run all the same. */
  async run(entry: RegistryEntry, operation: Operation): Promise<Snapshot | undefined> {
    const { store, clock, random, log } = this.#host
    const { breaker } = entry
    const nowMs = clock.monotonic()
    const mode =
      breaker.modeUntilMs > 0
        ? { ...breaker.mode, remainingMs: Math.max(1, breaker.modeUntilMs - nowMs) }
        : breaker.mode
    breaker.processes = store.peers.processes
    try {
      const snapshot = await store.run(breakerScript, storeKey(breaker.key), {
        operation,
        node: this.#id,
        name: entry.named,
        policy: breaker.policy,
        known: knownBy(breaker, nowMs),
        mode,
        draw: random(),
      })
      entry.syncedAtMs = clock.monotonic()
      this.#adopt(entry, snapshot)
      if (snapshot.transitions.length > 0) this.#tell(entry, snapshot)
      return snapshot
    } catch (error) {
      if (!breaker.alone)
        log.debug(
          { breaker: breaker.key, reason: messageOf(error) },
          'Redis unavailable: the breaker decides locally',
        )
      goAlone(breaker)
      return undefined
    }
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  async #exchange(entry: RegistryEntry): Promise<void> {
    const { breaker, unsettled } = entry
    for (let [next] = unsettled; next !== undefined; [next] = unsettled) {
      const isStale = next.generation < breaker.shared.generation
      if (!isStale && (await this.run(entry, { op: 'settle', ...next })) === undefined) return
      unsettled.shift()
    }
    entry.isDirty = false
    const seen = seenBy(breaker, this.#host.clock.monotonic())
    // Until all that live are known, the whole quorum is asked for.
    const { isSettled, nodes } = this.#host.store.peers
    await this.run(entry, {
      op: 'report',
      seen,
      peers: isSettled ? nodes : breaker.policy.quorumNodes * 2,
    })
  }

  #tell(entry: RegistryEntry, snapshot: Snapshot): void {
    const { store, log } = this.#host
    const { key } = entry.breaker
    this.#reporter.announceShared(entry, snapshot)
    store
      .publish(CHANNEL, toMessage(key, snapshot))
      .catch(error => log.debug({ breaker: key, reason: messageOf(error) }, 'cannot push a breaker change'))
  }

  #hear(message: string): void {
    try {
      const { breaker, snapshot } = fromMessage(message)
      const entry = this.#entries.get(breaker)
      if (entry && !entry.breaker.alone) this.#adopt(entry, snapshot)
    } catch (error) {
      this.#host.log.warn({ reason: messageOf(error) }, 'unreadable breaker message')
    }
  }

  #adopt(entry: RegistryEntry, snapshot: Snapshot): void {
    const { clock } = this.#host
    const { sequence } = entry.breaker.mode
    adopt(entry.breaker, snapshot, clock.monotonic(), clock.now())
    const { mode } = entry.breaker
    if (mode.sequence > sequence && snapshot.atMs - mode.sequence < NEWS_MS)
      this.#reporter.announceMode(entry, mode)
  }
}
