import { randomBytes } from 'node:crypto'
import type { Clock } from '../foundation/clock.ts'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import type { EventPublisher, EventType } from '../sdk/event.ts'
import { Adoption } from './adoption.ts'
import { createEventMetrics, type EventMetrics } from './metrics.ts'
import { Relay } from './relay.ts'
import type { Sink } from './sink.ts'
import { type Claim, claimSpool, removeSpool } from './spool/claim.ts'
import { Cursor } from './spool/cursor.ts'
import { SpoolReader } from './spool/reader.ts'
import type { SpoolPosition } from './spool/segment.ts'
import { Spool } from './spool/spool.ts'
import { createEventRegistry } from './types/registry.ts'
import { EventWriter } from './writer.ts'

/** The settings that the event pipeline reads. */
export interface EventPipelineSettings {
  readonly node: string
  readonly spoolDir: string
  readonly spoolMaxBytes: number
  readonly postgresUrl: string | undefined
  readonly amqpUrl: string | undefined
  /** Days that PostgreSQL keeps events; undefined: for ever. */
  readonly eventRetentionDays?: number | undefined
}

export interface EventPipelineParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Types that the plugins declare. */
  readonly types?: readonly EventType[]
}

export interface EventPipeline {
  readonly publisher: EventPublisher
  /**
   * Makes the spool and starts the relays. What was published before is written now. Does not wait for any sink.
   *
   * @throws SluiceError SLUICE_SPOOL_FAILED when the spool can't be made.
   */
  start(): Promise<void>
  /**
   * One sentence each: no spool, a spool that can't be written, a sink without progress for a minute while events wait.
   * None of them concerns a request.
   */
  problems(): readonly string[]
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
export function createEventPipeline(
  settings: EventPipelineSettings,
  parts: EventPipelineParts,
): EventPipeline {
  const { log } = parts
  const metrics = createEventMetrics(parts.metrics)
  const registry = createEventRegistry(parts.types)
  let running: RunningPipeline | undefined
  let started: (path: RunningPipeline) => void = () => {}
  const whenStarted = new Promise<RunningPipeline>(resolve => {
    started = resolve
  })

  return {
    publisher: {
      publish: draft =>
        running ? running.writer.publish(draft) : whenStarted.then(({ writer }) => writer.publish(draft)),
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
      running = new RunningPipeline({ settings, parts, metrics, claim, spool, writer, registry, sinks })
      await running.start()
      started(running)
    },
    problems: () => running?.problems() ?? ['the event spool is not open'],
    async close({ drainMs = 5_000 } = {}) {
      await running?.close(drainMs)
    },
  }
}

interface RunningParts {
  readonly settings: EventPipelineSettings
  readonly parts: EventPipelineParts
  readonly metrics: EventMetrics
  readonly claim: Claim
  readonly spool: Spool
  readonly writer: string
  readonly registry: ReturnType<typeof createEventRegistry>
  readonly sinks: readonly Sink[]
}

class RunningPipeline {
  readonly writer: EventWriter
  readonly #own: RunningParts
  readonly #relays: Relay[]
  readonly #cursors: Cursor[] = []
  readonly #adoption: Adoption
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
      otherBytes: () => this.#adoption.bytes,
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
    this.#adoption = new Adoption({
      spoolDir: settings.spoolDir,
      writer: own.writer,
      relays: this.#relays,
      log: parts.log,
      publish: draft => this.writer.publishOwn(draft),
    })
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

  problems(): readonly string[] {
    const problems = this.#relays
      .filter(relay => relay.stalledMs > STALLED_MS)
      .map(relay => {
        const seconds = Math.round(relay.stalledMs / 1000)
        return `${relay.sink} has taken no event for ${seconds} s while events wait: ${relay.failing ?? 'no answer'}`
      })
    const { failing } = this.#own.spool
    if (failing !== undefined) problems.unshift(`the event spool cannot be written: ${failing}`)
    return problems
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

  #housekeep(): void {
    const { spool, metrics, parts } = this.#own
    this.writer.housekeep()
    metrics.spoolBytes(spool.bytes + this.#adoption.bytes)
    for (const [i, relay] of this.#relays.entries()) {
      const { position, records } = this.#cursors[i]!
      const sameSegment = position.segment === spool.durable.segment
      const bytes = sameSegment ? spool.durable.offset - position.offset : spool.bytes
      const adopted = this.#adoption.backlog(relay.sink)
      const sink = metrics.sink(relay.sink)
      sink.backlog(spool.durableRecords - records + adopted.records, bytes + adopted.bytes)
      sink.lag(relay.lagMs / 1000)
    }
    const now = parts.clock.monotonic()
    if (now - this.#lastAdoptionMs < ADOPTION_MS) return
    this.#lastAdoptionMs = now
    this.#adopting = this.#adoption.takeOver()
  }

  async #removePassed(): Promise<void> {
    await this.#own.spool.removeBefore(Math.min(...this.#cursors.map(cursor => cursor.synced.segment)))
  }
}

/** Their clients are loaded only where they are used: each costs the start some 30 ms. */
async function createSinks(settings: EventPipelineSettings, parts: EventPipelineParts): Promise<Sink[]> {
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
