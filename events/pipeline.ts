import { randomBytes } from 'node:crypto'
import type { Clock } from '../foundation/clock.ts'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import { systemTimers, type Timers } from '../foundation/timers.ts'
import type { EventPublisher, EventType } from '../sdk/event.ts'
import { EventMetrics } from './metrics.ts'
import { RunningPipeline } from './running-pipeline.ts'
import type { Sink } from './sink.ts'
import { createSinks, type SinkSettings } from './sinks.ts'
import { type Claim, claimSpool, removeSpool, spoolFailed } from './spool/claim.ts'
import { Spool } from './spool/spool.ts'
import { EventRegistry } from './types/registry.ts'

/** The settings that the event pipeline reads. */
export interface EventPipelineSettings extends SinkSettings {
  readonly node: string
  readonly spoolDir: string
  readonly spoolMaxBytes: number
}

export interface EventPipelineParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly timers?: Timers
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

/** The way of an event: spool on disk, then a relay for each sink. */
export function createEventPipeline(
  settings: EventPipelineSettings,
  parts: EventPipelineParts,
): EventPipeline {
  return new StartedLater(settings, parts)
}

class StartedLater implements EventPipeline {
  readonly publisher: EventPublisher
  readonly #settings: EventPipelineSettings
  readonly #parts: EventPipelineParts
  readonly #registry: EventRegistry
  readonly #whenStarted: Promise<RunningPipeline>
  #running: RunningPipeline | undefined
  #started: (pipeline: RunningPipeline) => void = () => {}

  constructor(settings: EventPipelineSettings, parts: EventPipelineParts) {
    this.#settings = settings
    this.#parts = parts
    this.#registry = new EventRegistry(parts.types)
    this.#whenStarted = new Promise(resolve => {
      this.#started = resolve
    })
    this.publisher = {
      publish: draft =>
        this.#running
          ? this.#running.writer.publish(draft)
          : this.#whenStarted.then(({ writer }) => writer.publish(draft)),
    }
  }

  async start(): Promise<void> {
    const { clock, log } = this.#parts
    // Before anything is held that would have to be given back.
    const sinks = await createSinks(this.#settings, { clock, log })
    const writer = randomBytes(8).toString('hex')
    const claim = await claimSpool(this.#settings.spoolDir, writer)
    try {
      this.#running = await this.#open(claim, writer, sinks)
    } catch (error) {
      // Nothing was written to it yet.
      await removeSpool(claim.folder).catch(() => {})
      await claim.release()
      throw spoolFailed(this.#settings.spoolDir, error)
    }
    this.#started(this.#running)
  }

  async #open(claim: Claim, writer: string, sinks: readonly Sink[]): Promise<RunningPipeline> {
    const { clock, log, random, timers = systemTimers } = this.#parts
    const metrics = new EventMetrics(this.#parts.metrics)
    const spool = await Spool.create({
      folder: claim.folder,
      clock,
      timers,
      watcher: {
        synced: (_records, _bytes, seconds) => metrics.synced(seconds),
        late: records => metrics.late(records),
        failed: error => log.error({ reason: messageOf(error) }, 'cannot write the event spool; retrying'),
        dropped: count => {
          metrics.lost('memory-full', count)
          log.error({ count }, 'events lost: the disk did not take them before this process ended')
        },
      },
    })
    const parts = {
      clock,
      log,
      random,
      timers,
      metrics,
      claim,
      spool,
      writer,
      registry: this.#registry,
      sinks,
    }
    return RunningPipeline.start({ ...this.#settings, ...parts })
  }

  problems(): readonly string[] {
    return this.#running?.problems() ?? ['the event spool is not open']
  }

  async close({ drainMs = 5_000 }: { drainMs?: number } = {}): Promise<void> {
    await this.#running?.close(drainMs)
  }
}
