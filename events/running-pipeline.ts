import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Timers } from '../foundation/timers.ts'
import { Adoption } from './adoption.ts'
import type { EventMetrics, SinkMetrics } from './metrics.ts'
import { Relay } from './relay.ts'
import type { Sink } from './sink.ts'
import { type Claim, removeSpool } from './spool/claim.ts'
import { Cursor } from './spool/cursor.ts'
import { SpoolReader } from './spool/reader.ts'
import type { SpoolPosition } from './spool/segment.ts'
import type { Spool } from './spool/spool.ts'
import type { EventRegistry } from './types/registry.ts'
import { EventWriter } from './writer.ts'

const HOUSEKEEPING_MS = 1_000
const ADOPTION_MS = 30_000
const STALLED_MS = 60_000
const DRAIN_CHECK_MS = 10

export interface RunningOptions {
  readonly node: string
  readonly spoolDir: string
  readonly spoolMaxBytes: number
  readonly clock: Clock
  readonly log: Logger
  readonly timers: Timers
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly metrics: EventMetrics
  readonly claim: Claim
  readonly spool: Spool
  /** Id of the writer. */
  readonly writer: string
  readonly registry: EventRegistry
  readonly sinks: readonly Sink[]
}

/** The spool of this process with its writer, and a relay for each sink. */
export class RunningPipeline {
  readonly writer: EventWriter
  readonly #options: RunningOptions
  readonly #outlets: readonly Outlet[]
  readonly #adoption: Adoption
  #stopHousekeeping = () => {}
  #adopting: Promise<void> = Promise.resolve()
  #lastAdoptionMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  private constructor(options: RunningOptions, ways: readonly (readonly [Sink, Cursor])[]) {
    this.#options = options
    const { node, spool, writer, registry, clock, log, timers, metrics, spoolMaxBytes } = options
    this.writer = new EventWriter(spool, {
      node,
      writer,
      registry,
      clock,
      log,
      timers,
      metrics,
      maxBytes: spoolMaxBytes,
      otherBytes: () => this.#adoption.bytes,
    })
    this.#outlets = ways.map(([sink, cursor]) => this.#outletFor(sink, cursor))
    this.#adoption = new Adoption({
      spoolDir: options.spoolDir,
      writer,
      relays: this.#outlets.map(({ relay }) => relay),
      log,
      publish: draft => this.writer.publishOwn(draft),
    })
  }

  static async start(options: RunningOptions): Promise<RunningPipeline> {
    const { spool, sinks } = options
    const ways: (readonly [Sink, Cursor])[] = []
    try {
      for (const sink of sinks) ways.push([sink, await Cursor.open(spool.folder, sink.name)])
    } catch (error) {
      for (const [, cursor] of ways) await cursor.close().catch(() => {})
      await spool.close()
      throw error
    }
    const pipeline = new RunningPipeline(options, ways)
    pipeline.#start()
    return pipeline
  }

  /** What is wrong; one sentence each. */
  problems(): readonly string[] {
    const { failing } = this.#options.spool
    const stalled = this.#outlets.filter(({ relay }) => relay.stalledMs > STALLED_MS)
    return [
      ...(failing === undefined ? [] : [`the event spool cannot be written: ${failing}`]),
      ...stalled.map(({ relay }) => {
        const seconds = Math.round(relay.stalledMs / 1000)
        return `${relay.sink} has accepted no event for ${seconds} s while events wait: ${relay.failing ?? 'no answer'}`
      }),
    ]
  }

  async close(drainMs: number): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { spool, claim, clock } = this.#options
    this.#stopHousekeeping()
    await this.#adopting
    this.writer.finish()
    await spool.close()
    const deadlineMs = clock.monotonic() + drainMs
    // Not by `timers`: this one has to keep the process alive.
    while (this.#outlets.some(({ relay }) => !relay.idle) && clock.monotonic() < deadlineMs)
      await sleep(DRAIN_CHECK_MS)
    await Promise.all(this.#outlets.map(({ relay }) => relay.close()))
    const isDone =
      this.#outlets.length > 0 &&
      this.#outlets.every(({ cursor }) => samePosition(cursor.position, spool.durable))
    try {
      if (isDone) await removeSpool(claim.folder)
    } finally {
      await claim.release()
    }
  }

  #start(): void {
    const { spool, timers } = this.#options
    for (const { relay, cursor } of this.#outlets) {
      const reader = new SpoolReader({
        folder: spool.folder,
        from: cursor.position,
        limit: () => spool.durable,
      })
      relay.add({ reader, cursor, finite: false, onSynced: () => this.#removePassed() })
      relay.start()
    }
    spool.onDurable(() => {
      for (const { relay } of this.#outlets) relay.wake()
    })
    this.#stopHousekeeping = timers.every(HOUSEKEEPING_MS, () => this.#housekeep())
    this.#housekeep()
  }

  #outletFor(sink: Sink, cursor: Cursor): Outlet {
    const { clock, random, log, timers } = this.#options
    const metrics = this.#options.metrics.sink(sink.name)
    const onCorrupt = (regions: number, bytes: number) => {
      log.error({ sink: sink.name, regions, bytes }, 'skipped corrupt bytes in the event spool')
      // Each sink finds the same damage; it is one loss.
      if (sink.name === this.#outlets[0]?.relay.sink) this.writer.countLost('corrupt', regions)
    }
    return { relay: new Relay({ sink, clock, random, log, timers, metrics, onCorrupt }), cursor, metrics }
  }

  #housekeep(): void {
    const { spool, metrics, clock } = this.#options
    this.writer.housekeep()
    metrics.spoolBytes(spool.bytes + this.#adoption.bytes)
    for (const outlet of this.#outlets) this.#measure(outlet)
    const now = clock.monotonic()
    if (now - this.#lastAdoptionMs < ADOPTION_MS) return
    this.#lastAdoptionMs = now
    // One after the other: a look that takes long would be met by the next one at what it has not read yet.
    this.#adopting = this.#adopting.then(() => this.#adoption.takeOver())
  }

  #measure({ relay, cursor: { position, records }, metrics }: Outlet): void {
    const { durable, durableRecords, bytes } = this.#options.spool
    const waiting = position.segment === durable.segment ? durable.offset - position.offset : bytes
    const adopted = this.#adoption.backlog(relay.sink)
    metrics.backlog(durableRecords - records + adopted.records, waiting + adopted.bytes)
    metrics.lag(relay.lagMs / 1000)
  }

  async #removePassed(): Promise<void> {
    const { spool } = this.#options
    await spool.removeBefore(Math.min(...this.#outlets.map(({ cursor }) => cursor.synced.segment)))
  }
}

/** The way to one sink. */
interface Outlet {
  readonly relay: Relay
  readonly cursor: Cursor
  readonly metrics: SinkMetrics
}

const samePosition = (a: SpoolPosition, b: SpoolPosition): boolean =>
  a.segment === b.segment && a.offset === b.offset
