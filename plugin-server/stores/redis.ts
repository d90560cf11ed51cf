import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import type { Peers, ScriptReply, Store, StoredBytes, StoredValue, StoreScript } from '../../sdk/store.ts'
import { CallFaults } from './call-faults.ts'
import { type CallMetrics, Calls } from './calls.ts'
import { Link } from './link.ts'
import { Patience } from './patience.ts'
import { beatScript, PeerList } from './peers.ts'
import { Subscriber } from './subscriber.ts'

export interface RedisStoreOptions {
  /** One for a single Redis, several for a Redis Cluster. */
  readonly urls: readonly string[]
  /** How long a call may wait, milliseconds. */
  readonly deadlineMs: number
  /** How long one of `patient` may; as long where it is left out. */
  readonly patientDeadlineMs?: number
  /** Puts this process on the list of peers; one that only looks has no name and is on no list. */
  readonly node?: string
  /** How many processes there are to be; see `Peers`. */
  readonly expectedPeers?: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly timers?: Timers
}

const SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25]

/** What the two views of one Redis have in common. */
interface Shared {
  readonly link: Link
  readonly subscriber: Subscriber
  readonly peers: Peers
  readonly faults: CallFaults
  readonly clock: Clock
  readonly timers: Timers
}

/** Redis as it is to those who wait equally long. */
class RedisView implements Store {
  readonly kind = 'redis'
  readonly patient: Store
  readonly #shared: Shared
  readonly #calls: Calls
  readonly #close: () => Promise<void>

  constructor(shared: Shared, calls: Calls, patient: Store | undefined, close: () => Promise<void>) {
    this.#shared = shared
    this.#calls = calls
    this.patient = patient ?? this
    this.#close = close
  }

  get available(): boolean {
    return this.#calls.available
  }

  get problem(): string | undefined {
    return this.#calls.problem
  }

  get fault(): string | undefined {
    return this.#shared.faults.problem
  }

  get peers(): Peers {
    return this.#shared.peers
  }

  canReach(key: string): boolean {
    return this.#calls.canReach(key)
  }

  run<Result, Args>(
    script: StoreScript<Result, Args>,
    key: string,
    args: Args,
    onLate?: (answer: Promise<Result>) => void,
  ): Promise<Result> {
    const list = script.encode ? script.encode(args) : (args as readonly StoredValue[])
    const { link } = this.#shared
    const decode = (reply: unknown) => script.decode(reply as ScriptReply)
    return this.#calls
      .run(
        key,
        script.name,
        () => link.evaluate(script.lua, key, list),
        onLate && (answer => onLate(answer.then(decode))),
      )
      .then(decode)
  }

  async readBytes(keys: readonly string[]): Promise<readonly (StoredBytes | undefined)[]> {
    const [first] = keys
    if (first === undefined) return []
    return this.#calls.run(first, 'read bytes', () => this.#shared.link.readBytes(keys))
  }

  async writeBytes(key: string, bytes: Uint8Array, expireInMs: number): Promise<void> {
    await this.#calls.run(key, 'write bytes', () => this.#shared.link.writeBytes(key, bytes, expireInMs))
  }

  async publish(channel: string, message: string): Promise<void> {
    const { connection } = this.#shared.link
    await this.#calls.run(channel, 'publish', () => connection.publish(channel, message))
  }

  watch(
    channel: string,
    hear: (message: string) => void,
    onListening?: (isListening: boolean) => void,
  ): () => void {
    return this.#shared.subscriber.watch(channel, { hear, onListening: onListening ?? (() => {}) })
  }

  onAvailability(hear: (available: boolean) => void): () => void {
    return this.#calls.onAvailability(hear)
  }

  /** Counts as the deadlines do: a process that starts slowly waits longer. */
  ready(withinMs: number): Promise<boolean> {
    if (this.available) return Promise.resolve(true)
    const { clock, timers } = this.#shared
    const patience = new Patience(withinMs, clock, timers)
    return new Promise(resolve => {
      const settle = (available: boolean) => {
        patience.close()
        stop()
        resolve(available)
      }
      const stop = this.onAvailability(available => available && settle(true))
      patience.wait(() => settle(false))
    })
  }

  async *keys(prefix: string): AsyncIterable<string> {
    try {
      yield* this.#shared.link.keys(prefix)
    } catch (error) {
      const reason = this.#calls.problem ?? messageOf(error)
      throw new SluiceError('SLUICE_STORE_UNAVAILABLE', `cannot list keys: ${reason}`, { cause: error })
    }
  }

  close(): Promise<void> {
    return this.#close()
  }
}

/**
 * State that all nodes share, in Redis or Redis Cluster: two views of one connection, which differ in how long a call
 * waits. Each view has its own breakers: a server that is too slow for one may serve the other.
 *
 * Connects in the background; see `Store.ready`.
 */
export class RedisStore extends RedisView {
  constructor(options: RedisStoreOptions) {
    const { deadlineMs, patientDeadlineMs = deadlineMs, clock, log, metrics } = options
    const { urls, timers = systemTimers } = options
    const longestMs = Math.max(deadlineMs, patientDeadlineMs)
    const link = new Link(urls, longestMs, log)
    const subscriber = new Subscriber(urls, longestMs, log)
    const faults = new CallFaults(log, () => clock.monotonic())
    const common = { link, clock, timers, log, metrics: callMetrics(metrics), faults }
    const calls = new Calls({ ...common, deadlineMs, awaitsConnection: false })
    const patientCalls = new Calls({ ...common, deadlineMs: patientDeadlineMs, awaitsConnection: true })
    const gauge = metrics
      .gauge('sluice_store_available_state', '1 while all of Redis answers in time')
      .with({})
    calls.onAvailability(available => gauge.set(available ? 1 : 0))
    const list = listOfPeers(options, timers, patientCalls, link)
    const shared: Shared = { link, subscriber, peers: list ?? UNKNOWN_PEERS, faults, clock, timers }
    const close = async () => {
      await list?.close()
      for (const each of [calls, patientCalls, subscriber, link]) each.close()
    }
    super(shared, calls, new RedisView(shared, patientCalls, undefined, close), close)
  }
}

const UNKNOWN_PEERS: Peers = { nodes: 1, processes: 1, isSettled: false }

function listOfPeers(
  { node, expectedPeers = 1 }: RedisStoreOptions,
  timers: Timers,
  calls: Calls,
  link: Link,
): PeerList | undefined {
  if (node === undefined) return undefined
  const list = new PeerList({
    node,
    expected: expectedPeers,
    timers,
    run: async (key, beat) => {
      const args = beatScript.encode!(beat)
      const reply = await calls.run(key, beatScript.name, () => link.evaluate(beatScript.lua, key, args))
      return beatScript.decode(reply as ScriptReply)
    },
  })
  link.onChange(change => change === 'connected' && void list.beat())
  return list
}

function callMetrics(metrics: Metrics): CallMetrics {
  const outcomes = metrics.counter('sluice_store_calls_total', 'calls to Redis', ['outcome'])
  return {
    outcomes: {
      ok: outcomes.with({ outcome: 'ok' }),
      late: outcomes.with({ outcome: 'late' }),
      refused: outcomes.with({ outcome: 'refused' }),
      not_tried: outcomes.with({ outcome: 'not_tried' }),
    },
    seconds: metrics
      .histogram('sluice_store_call_seconds', 'time that Redis took to answer', SECONDS)
      .with({}),
  }
}
