import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Clock } from '../plugin-server/clock.ts'
import { messageOf } from '../plugin-server/errors.ts'
import type { Logger } from '../plugin-server/observe/log.ts'
import type { Metrics } from '../plugin-server/observe/metrics.ts'
import { genesis } from './chain.ts'
import type { EventPublisher, EventType } from './event.ts'
import { createEventMetrics, type EventMetrics } from './metrics.ts'
import { Relay } from './relay.ts'
import type { Sink } from './sink.ts'
import { type AdoptedSpool, adoptSpools, type Claim, claimSpool, removeSpool } from './spool/claim.ts'
import { Cursor } from './spool/cursor.ts'
import { SpoolReader } from './spool/reader.ts'
import { cutTornTail } from './spool/repair.ts'
import { listSegments, type SpoolPosition, segmentPath } from './spool/segment.ts'
import { Spool } from './spool/spool.ts'
import { createEventRegistry } from './types/registry.ts'
import { EventWriter } from './writer.ts'

/** The settings that the event path reads. */
export interface EventPathSettings {
  readonly node: string
  readonly spoolDir: string
  readonly spoolMaxBytes: number
  readonly postgresUrl: string | undefined
  readonly amqpUrl: string | undefined
  /** Days that PostgreSQL keeps events; undefined: for ever. */
  readonly eventRetentionDays?: number | undefined
}

export interface EventPathParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Types that the plugins declare. */
  readonly types?: readonly EventType[]
}

export interface Readiness {
  readonly ready: boolean
  /** One sentence each. */
  readonly problems: readonly string[]
}

export interface EventPath {
  readonly publisher: EventPublisher
  /**
   * Makes the spool and starts the relays. What was published before is written now. Does not wait for any sink.
   *
   * @throws SluiceError SLUICE_SPOOL_FAILED when the spool can't be made.
   */
  start(): Promise<void>
  /** Not ready: no spool, a spool that can't be written, or a sink without progress for a minute while events wait. */
  ready(): Readiness
  /**
   * Writes what was published, waits for the sinks up to `drainMs` (5,000 where left out), and leaves the rest to
   * the next process that uses the same spool folder.
   */
  close(options?: { drainMs?: number }): Promise<void>
}

const HOUSEKEEPING_MS = 1_000
const ADOPTION_MS = 30_000
const STALLED_MS = 60_000

/** The way of an event: spool on disk, then a relay for each sink. */
export function createEventPath(settings: EventPathSettings, parts: EventPathParts): EventPath {
  const { log } = parts
  const metrics = createEventMetrics(parts.metrics)
  const registry = createEventRegistry(parts.types)
  let running: RunningPath | undefined
  let started: (path: RunningPath) => void = () => {}
  const whenStarted = new Promise<RunningPath>(resolve => {
    started = resolve
  })

  return {
    publisher: {
      publish: async draft => (running ?? (await whenStarted)).writer.publish(draft),
    },
    async start() {
      const writer = randomBytes(8).toString('hex')
      const claim = await claimSpool(settings.spoolDir, writer)
      const spool = await Spool.create({
        folder: claim.folder,
        clock: parts.clock,
        watcher: {
          synced: (_records, _bytes, seconds) => metrics.synced(seconds),
          late: records => metrics.late(records),
          failed: error =>
            log.error({ reason: messageOf(error) }, 'the spool cannot be written; trying again'),
        },
      })
      const sinks = await createSinks(settings, parts)
      running = new RunningPath({ settings, parts, metrics, claim, spool, writer, registry, sinks })
      await running.start()
      started(running)
    },
    ready() {
      return running ? running.ready() : { ready: false, problems: ['the event spool is not open'] }
    },
    async close({ drainMs = 5_000 } = {}) {
      await running?.close(drainMs)
    },
  }
}

interface RunningParts {
  readonly settings: EventPathSettings
  readonly parts: EventPathParts
  readonly metrics: EventMetrics
  readonly claim: Claim
  readonly spool: Spool
  readonly writer: string
  readonly registry: ReturnType<typeof createEventRegistry>
  readonly sinks: readonly Sink[]
}

class RunningPath {
  readonly writer: EventWriter
  readonly #own: RunningParts
  readonly #relays: Relay[]
  readonly #cursors: Cursor[] = []
  readonly #adopted = new Map<string, number>()
  #housekeeping: NodeJS.Timeout | undefined
  #adopting: Promise<void> = Promise.resolve()
  #lastAdoptionMs = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(own: RunningParts) {
    this.#own = own
    const { settings, parts, metrics } = own
    this.writer = new EventWriter(own.spool, {
      node: settings.node,
      writer: own.writer,
      registry: own.registry,
      clock: parts.clock,
      log: parts.log,
      metrics,
      maxBytes: settings.spoolMaxBytes,
      otherBytes: () => this.#adoptedBytes,
    })
    this.#relays = own.sinks.map(
      sink =>
        new Relay({
          sink,
          clock: parts.clock,
          random: parts.random,
          log: parts.log,
          metrics: metrics.sink(sink.name),
          onCorrupt: (regions, bytes) => {
            parts.log.error(
              { sink: sink.name, regions, bytes },
              'damaged bytes in the spool were passed over',
            )
            // Each sink finds the same damage; it is one loss.
            if (sink.name === this.#relays[0]?.sink) this.writer.countLost('corrupt', regions)
          },
        }),
    )
  }

  async start(): Promise<void> {
    const { spool } = this.#own
    for (const relay of this.#relays) {
      const cursor = await Cursor.open(spool.folder, relay.sink)
      this.#cursors.push(cursor)
      const reader = new SpoolReader({
        folder: spool.folder,
        from: cursor.position,
        limit: () => spool.durable,
      })
      relay.add({ reader, cursor, finite: false, onSynced: () => this.#removePassed() })
      relay.start()
    }
    spool.onDurable(() => {
      for (const relay of this.#relays) relay.wake()
    })
    this.#housekeeping = setInterval(() => this.#housekeep(), HOUSEKEEPING_MS).unref()
    this.#housekeep()
  }

  ready(): Readiness {
    const problems = this.#relays
      .filter(relay => relay.stalledMs > STALLED_MS)
      .map(relay => {
        const seconds = Math.round(relay.stalledMs / 1000)
        return `${relay.sink} has taken no event for ${seconds} s while events wait: ${relay.failing ?? 'no answer'}`
      })
    const { failing } = this.#own.spool
    if (failing !== undefined) problems.unshift(`the event spool can not be written: ${failing}`)
    return { ready: problems.length === 0, problems }
  }

  async close(drainMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { spool, claim, parts } = this.#own
    clearInterval(this.#housekeeping)
    await this.#adopting
    this.writer.finish()
    await spool.close()
    const deadlineMs = parts.clock.monotonic() + drainMs
    while (this.#relays.some(relay => !relay.idle) && parts.clock.monotonic() < deadlineMs)
      await new Promise(resolve => setTimeout(resolve, 10))
    await Promise.all(this.#relays.map(relay => relay.close()))
    const done =
      this.#relays.length > 0 && this.#cursors.every(cursor => samePosition(cursor.position, spool.durable))
    if (done) await removeSpool(claim.folder)
    await claim.release()
  }

  get #adoptedBytes(): number {
    let bytes = 0
    for (const size of this.#adopted.values()) bytes += size
    return bytes
  }

  #housekeep(): void {
    const { spool, metrics, parts } = this.#own
    this.writer.housekeep()
    metrics.spoolBytes(spool.bytes + this.#adoptedBytes)
    for (const [i, relay] of this.#relays.entries()) {
      const cursor = this.#cursors[i]!
      const bytes =
        cursor.position.segment === spool.durable.segment
          ? spool.durable.offset - cursor.position.offset
          : spool.bytes
      metrics.sink(relay.sink).backlog(spool.durableRecords - cursor.records, bytes + this.#adoptedBytes)
    }
    const now = parts.clock.monotonic()
    if (this.#relays.length === 0 || now - this.#lastAdoptionMs < ADOPTION_MS) return
    this.#lastAdoptionMs = now
    this.#adopting = this.#adoptAll().catch(error =>
      parts.log.error({ reason: messageOf(error) }, 'a spool of an ended process could not be taken over'),
    )
  }

  async #adoptAll(): Promise<void> {
    const { settings, writer } = this.#own
    for (const spool of await adoptSpools(settings.spoolDir, writer)) await this.#adopt(spool)
  }

  async #adopt({ folder, writer }: AdoptedSpool): Promise<void> {
    const { log } = this.#own.parts
    const tail = await cutTornTail(folder)
    const sizes = await Promise.all((await listSegments(folder)).map(n => stat(segmentPath(folder, n))))
    this.#adopted.set(
      folder,
      sizes.reduce((sum, { size }) => sum + size, 0),
    )
    log.info(
      { writer, records: tail.sequence, tornBytes: tail.tornBytes },
      'took over the spool of an ended process',
    )
    void this.writer.publishOwn({
      type: 'events.spool-adopted.v1',
      subject: writer,
      data: {
        writer,
        sequence: tail.sequence,
        chain: tail.chain ?? genesis(writer),
        torn_bytes: tail.tornBytes,
      },
    })
    let unfinished = this.#relays.length
    for (const relay of this.#relays) {
      const cursor = await Cursor.open(folder, relay.sink)
      relay.add({
        reader: new SpoolReader({ folder, from: cursor.position }),
        cursor,
        finite: true,
        onEnd: async () => {
          if (--unfinished > 0) return
          this.#adopted.delete(folder)
          await removeSpool(folder)
        },
      })
    }
  }

  async #removePassed(): Promise<void> {
    await this.#own.spool.removeBefore(Math.min(...this.#cursors.map(cursor => cursor.synced.segment)))
  }
}

/** Their clients are loaded only where they are used: each costs the start some 30 ms. */
async function createSinks(settings: EventPathSettings, parts: EventPathParts): Promise<Sink[]> {
  const sinks: Sink[] = []
  if (settings.postgresUrl !== undefined) {
    const { createPostgresSink } = await import('./postgres/sink.ts')
    sinks.push(
      createPostgresSink({
        url: settings.postgresUrl,
        clock: parts.clock,
        log: parts.log,
        retentionDays: settings.eventRetentionDays,
      }),
    )
  }
  if (settings.amqpUrl !== undefined) {
    const { createRabbitSink } = await import('./rabbitmq/sink.ts')
    sinks.push(createRabbitSink({ url: settings.amqpUrl, log: parts.log }))
  }
  return sinks
}

const samePosition = (a: SpoolPosition, b: SpoolPosition) => a.segment === b.segment && a.offset === b.offset
