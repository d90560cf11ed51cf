import { doublingMs } from '../foundation/backoff.ts'
import type { Clock } from '../foundation/clock.ts'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import { pause } from '../foundation/pause.ts'
import type { Timers } from '../foundation/timers.ts'
import type { SinkMetrics } from './metrics.ts'
import type { Sink, SinkRecord } from './sink.ts'
import type { Cursor } from './spool/cursor.ts'
import type { SpoolBatch, SpoolReader } from './spool/reader.ts'

const MAX_RECORDS = 500
const MAX_BYTES = 1024 * 1024
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 10_000
const CURSOR_SYNC_MS = 200

/** A spool, as one sink reads it. */
export interface RelaySource {
  readonly reader: SpoolReader
  readonly cursor: Cursor
  /** Nobody writes it any more: at its end it is done with. */
  readonly finite: boolean
  /** Called once behind the last record of a finite spool, its cursor synced. */
  readonly onEnd?: () => Promise<void>
  /** Called after the cursor was synced. */
  readonly onSynced?: () => Promise<void>
}

export interface RelayOptions {
  readonly sink: Sink
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly timers: Timers
  readonly metrics: Pick<SinkMetrics, 'confirmed' | 'retried' | 'refused'>
  /** Stretches of corrupt bytes were skipped. */
  readonly onCorrupt: (regions: number, bytes: number) => void
}

/**
 * Carries records from spools to one sink, in their order, batch by batch. A batch that fails is sent again after a
 * pause that doubles up to ten seconds, drawn at random below it ("full jitter"), so that nodes do not come back all
 * at once; while a sink is down it is asked no more often than that.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #sources: RelaySource[] = []
  /** Sources that could not be read, or whose place could not be kept; each with what calls its next try off. */
  readonly #resting = new Map<RelaySource, () => void>()
  readonly #stop = new AbortController()
  #wake = () => {}
  #running: Promise<void> | undefined
  #lastSyncMs = 0
  #idle = false
  #woken = false
  #failing: string | undefined
  #progressMs: number
  #lagMs = 0

  constructor(options: RelayOptions) {
    this.#options = options
    this.#progressMs = options.clock.monotonic()
  }

  get sink(): string {
    return this.#options.sink.name
  }

  /** Nothing waits. */
  get idle(): boolean {
    return this.#idle
  }

  /** Why the sink does not take records; undefined while it does. */
  get failing(): string | undefined {
    return this.#failing
  }

  /** How long records have been waiting without any progress. */
  get stalledMs(): number {
    return this.#idle ? 0 : this.#options.clock.monotonic() - this.#progressMs
  }

  /** About how old the oldest event is that waits; 0 while none does. */
  get lagMs(): number {
    return this.#idle ? 0 : this.#lagMs + this.stalledMs
  }

  /** Finite spools come first: theirs are the older events. */
  add(source: RelaySource): void {
    const live = this.#sources.findIndex(known => !known.finite)
    if (source.finite && live !== -1) this.#sources.splice(live, 0, source)
    else this.#sources.push(source)
    this.wake()
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** There may be more to read. */
  wake(): void {
    if (this.#idle) this.#progressMs = this.#options.clock.monotonic()
    this.#idle = false
    this.#woken = true
    this.#wake()
  }

  /** Stops after the batch under way, or without it when it fails; syncs the cursors. Closes everything in any case. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#running
    for (const callOff of this.#resting.values()) callOff()
    for (const source of this.#sources) {
      // Where its place can't be kept, the sink sees those records again.
      await source.cursor.sync().catch(error => this.#complain(error))
      await this.#leave(source)
    }
    const { sink, log } = this.#options
    await sink
      .close()
      .catch(error => log.warn({ sink: sink.name, reason: messageOf(error) }, 'cannot close the event sink'))
  }

  async #leave({ cursor, reader }: RelaySource): Promise<void> {
    for (const file of [cursor, reader]) await file.close().catch(error => this.#complain(error))
  }

  /** Of the spool, not of the sink: a file that can't be read, a cursor that can't be synced. */
  #complain(error: unknown): void {
    this.#failing = messageOf(error)
    this.#options.log.error(
      { sink: this.sink, reason: this.#failing },
      'cannot read the event spool or keep its place',
    )
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const woken = new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#woken = false
      try {
        if (await this.#pump()) continue
        await this.#syncCursors()
      } catch (error) {
        this.#complain(error)
        await this.#pause(LONGEST_PAUSE_MS)
        continue
      }
      if (this.#woken || signal.aborted) continue
      this.#idle = this.#resting.size === 0
      await woken
    }
  }

  /** Sends one batch of the first source that has one. */
  async #pump(): Promise<boolean> {
    for (const source of [...this.#sources]) {
      const batch = this.#resting.has(source) ? undefined : await this.#next(source)
      if (!batch) continue
      if (batch.badRegions > 0) this.#options.onCorrupt(batch.badRegions, batch.badBytes)
      const records = batch.payloads.flatMap(payload => this.#parse(payload))
      if (!(await this.#send(records))) return false
      await source.cursor.advance(batch.end, batch.payloads.length)
      if (this.#options.clock.monotonic() - this.#lastSyncMs > CURSOR_SYNC_MS) await this.#syncCursors()
      return true
    }
    return false
  }

  /** The next records of a source, where it has some. One that fails rests for a while, and stops no other. */
  async #next(source: RelaySource): Promise<SpoolBatch | undefined> {
    try {
      const batch = await source.reader.next(MAX_RECORDS, MAX_BYTES)
      if (!batch && source.finite) await this.#end(source)
      return batch
    } catch (error) {
      this.#complain(error)
      // The next try opens the file anew.
      await source.reader.close().catch(() => {})
      const callOff = this.#options.timers.after(LONGEST_PAUSE_MS, () => {
        this.#resting.delete(source)
        this.wake()
      })
      this.#resting.set(source, callOff)
      return undefined
    }
  }

  async #end(source: RelaySource): Promise<void> {
    // Until its place is kept it is not done with, and comes up again after the pause.
    await source.cursor.sync()
    this.#sources.splice(this.#sources.indexOf(source), 1)
    await this.#leave(source)
    await source.onEnd?.()
  }

  async #syncCursors(): Promise<void> {
    this.#lastSyncMs = this.#options.clock.monotonic()
    for (const source of this.#sources) {
      if (this.#resting.has(source)) continue
      await source.cursor.sync()
      await source.onSynced?.()
    }
  }

  #parse(payload: Buffer): SinkRecord[] {
    const json = payload.toString()
    try {
      const { id, type, time, writer, sequence } = JSON.parse(json)
      return [{ id, type, time, writer, sequence, json }]
    } catch {
      this.#options.onCorrupt(1, payload.length)
      return []
    }
  }

  /** Sends until the sink has taken it; false when the relay was stopped first. */
  async #send(records: readonly SinkRecord[]): Promise<boolean> {
    const { sink, clock, metrics, log, random } = this.#options
    if (records.length === 0) return true
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      if (attempt > 0) metrics.retried(records.length)
      try {
        const { refused } = await sink.store(records, this.#stop.signal)
        metrics.confirmed(records.length - refused)
        if (refused > 0) metrics.refused(refused)
        const newest = Date.parse(String(records.at(-1)?.time))
        // A time that can't be read says nothing.
        if (!Number.isNaN(newest)) this.#lagMs = Math.max(0, clock.now() - newest)
        this.#progressMs = clock.monotonic()
        if (this.#failing !== undefined) log.info({ sink: sink.name }, 'event sink available again')
        this.#failing = undefined
        return true
      } catch (error) {
        if (this.#stop.signal.aborted) return false
        const reason = messageOf(error)
        if (this.#failing !== reason)
          log.warn({ sink: sink.name, reason, waiting: records.length }, 'event sink unavailable; retrying')
        this.#failing = reason
        await this.#pause(doublingMs(attempt, FIRST_PAUSE_MS, LONGEST_PAUSE_MS) * random())
      }
    }
    return false
  }

  async #pause(ms: number): Promise<void> {
    await pause(this.#options.timers, ms, this.#stop.signal)
  }
}
