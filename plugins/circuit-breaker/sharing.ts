import { type Host, messageOf } from '../../sdk/sdk.ts'
import { adopt, goAlone, knownBy, seenBy } from './cell.ts'
import { CHANNEL, fromMessage, toMessage } from './channel.ts'
import type { Entry } from './entry.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Reporter } from './reporter.ts'
import { breakerScript, type Operation, type Snapshot, storeKey } from './script.ts'

export type SharingHost = Pick<Host, 'clock' | 'random' | 'log' | 'store'>

/** An order that is older was told by those who heard it then. */
const NEWS_MS = 600_000

/** How long after the start of the process its first requests wait for the connection to Redis. */
const CONNECT_MS = 250

/** What this process tells the store about its breakers, and hears from it. */
export class Sharing {
  readonly #host: SharingHost
  readonly #id: string
  readonly #entries: ReadonlyMap<string, Entry>
  readonly #reporter: Reporter
  readonly #heartbeat: Heartbeat
  readonly #stops: readonly (() => void)[]
  /** Kept once the store can be used, or after CONNECT_MS without it. */
  readonly #connected: Promise<unknown>

  /** @param id `<node>/<process>` */
  constructor(host: SharingHost, id: string, entries: ReadonlyMap<string, Entry>, reporter: Reporter) {
    this.#host = host
    this.#id = id
    this.#entries = entries
    this.#reporter = reporter
    const { store, log } = host
    this.#connected = store.ready(CONNECT_MS)
    this.#heartbeat = new Heartbeat(store, id, reason => log.debug({ reason }, 'no heartbeat'))
    this.#stops = [
      store.watch(CHANNEL, message => this.#hear(message)),
      store.onAvailability(available => {
        if (available) return
        for (const { cell } of entries.values()) if (!store.canReach(storeKey(cell.key))) goAlone(cell)
      }),
    ]
  }

  /** False in memory, where there is nobody to agree with. */
  get hasPeers(): boolean {
    return this.#host.store.kind === 'redis'
  }

  /** Says that this process lives, and counts those that do. */
  beat(): Promise<void> {
    return this.#heartbeat.beat()
  }

  /** Asks for the state of a breaker that this process has not had yet. */
  async load(entry: Entry): Promise<void> {
    await this.#connected
    await this.sync(entry)
  }

  /** Tells what this node has seen, and takes the cluster's state. Undefined when that is under way already. */
  sync(entry: Entry): Promise<void> | undefined {
    if (entry.isSyncing) return undefined
    entry.isSyncing = true
    return this.#exchange(entry).finally(() => {
      entry.isSyncing = false
    })
  }

  /** One operation; undefined when the store did not answer. The script may have run all the same. */
  async run(entry: Entry, operation: Operation): Promise<Snapshot | undefined> {
    const { store, clock, random, log } = this.#host
    const { cell } = entry
    const nowMs = clock.monotonic()
    const mode =
      cell.modeUntilMs > 0 ? { ...cell.mode, remainingMs: Math.max(1, cell.modeUntilMs - nowMs) } : cell.mode
    cell.processes = this.#heartbeat.peers.processes
    try {
      const snapshot = await store.run(breakerScript, storeKey(cell.key), {
        operation,
        node: this.#id,
        name: entry.named,
        policy: cell.policy,
        known: knownBy(cell, nowMs),
        mode,
        draw: random(),
      })
      entry.syncedAtMs = clock.monotonic()
      this.#adopt(entry, snapshot)
      if (snapshot.transitions.length > 0) this.#tell(entry, snapshot)
      return snapshot
    } catch (error) {
      if (!cell.alone) log.debug({ breaker: cell.key, reason: messageOf(error) }, 'breaker goes on alone')
      goAlone(cell)
      return undefined
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    await this.#heartbeat.close()
  }

  async #exchange(entry: Entry): Promise<void> {
    const { cell, unsettled } = entry
    while (unsettled.length > 0) {
      const [next] = unsettled
      const isStale = next!.generation < cell.shared.generation
      if (!isStale && (await this.run(entry, { op: 'settle', ...next! })) === undefined) return
      unsettled.shift()
    }
    entry.isDirty = false
    const seen = seenBy(cell, this.#host.clock.monotonic())
    // Until all that live are known, the whole quorum is asked for.
    const { isSettled, peers } = this.#heartbeat
    await this.run(entry, {
      op: 'report',
      seen,
      peers: isSettled ? peers.nodes : cell.policy.quorumNodes * 2,
    })
  }

  #tell(entry: Entry, snapshot: Snapshot): void {
    const { store, log } = this.#host
    const { key } = entry.cell
    this.#reporter.announceShared(entry, snapshot)
    store
      .publish(CHANNEL, toMessage(key, snapshot))
      .catch(error => log.debug({ breaker: key, reason: messageOf(error) }, 'breaker change not pushed'))
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
}
