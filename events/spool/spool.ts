import { type FileHandle, unlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { doublingMs } from '../../foundation/backoff.ts'
import type { Clock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import { createSegment, SEGMENT_HEADER, type SpoolPosition, segmentPath } from './segment.ts'

export interface SpoolOptions {
  /** Exists, and belongs to this process alone. */
  readonly folder: string
  readonly clock: Clock
  readonly timers?: Timers
  /** A segment is closed once it has this size; 16 MiB where left out. */
  readonly maxSegmentBytes?: number
  /** Records that wait for the disk; beyond this they are refused. 64 MiB where left out. */
  readonly maxPendingBytes?: number
  /** How long an append waits for the disk at most, milliseconds; 90 where left out: events have gathered for 10 then. */
  readonly lateMs?: number
  /** Makes the bytes of a file durable; fdatasync where left out. */
  readonly sync?: (file: FileHandle) => Promise<void>
  readonly watcher?: SpoolWatcher
}

/** Notified of what happens, for metrics and logs. */
export interface SpoolWatcher {
  synced?(records: number, bytes: number, seconds: number): void
  late?(records: number): void
  failed?(error: unknown): void
  /** The spool is being closed, and the disk has not taken them. */
  dropped?(records: number): void
}

/** Records that are answered together: when they are durable, or when the time is up. */
interface Group {
  readonly done: Promise<void>
  readonly settle: () => void
  /** Calls the timer off. */
  readonly callOff: () => void
  records: number
}

/** Records that are written at once. */
interface Round {
  readonly records: readonly Buffer[]
  readonly bytes: number
  readonly group: Group | undefined
  readonly startMs: number
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
/** An fsync that takes longer is not waited for with what has come meanwhile. */
const SLOW_SYNC_MS = 10
/** How often a spool that is being closed tries to write what waits. */
const CLOSING_TRIES = 3

/**
 * The writing end of a spool: appends records to segment files, and answers each append once an fsync has covered
 * it. While one fsync runs, the next records gather, and one fsync covers all of them. Behind a slow one they are
 * written already: what is written outlives this process, though not yet the machine.
 *
 * After a failed write or fsync the segment is left, cut to what is known to be durable, and the same records go to
 * a new one: the kernel may forget pages that it could not write, so a second fsync of the same file proves nothing.
 */
export class Spool {
  readonly folder: string
  readonly #options: Required<Omit<SpoolOptions, 'watcher' | 'folder'>> & { watcher: SpoolWatcher }
  #file: FileHandle | undefined
  #segment: number
  /** Where what is durable ends in the segment. */
  #offset = 0
  /** Where what is written ends. */
  #end = 0
  #durable: SpoolPosition
  #durableRecords = 0
  #bytesOnDisk = 0
  #segmentBytes = new Map<number, number>()
  #pending: Buffer[] = []
  /** What no fsync has covered yet, in its order in the segment. */
  #written: Round[] = []
  /** Of both. */
  #pendingBytes = 0
  #group: Group | undefined
  #running: Promise<void> | undefined
  #closing = false
  #failing: string | undefined
  #listeners = new Set<() => void>()

  private constructor(options: SpoolOptions, file: FileHandle) {
    this.folder = options.folder
    this.#options = {
      clock: options.clock,
      timers: options.timers ?? systemTimers,
      maxSegmentBytes: options.maxSegmentBytes ?? 16 * 1024 * 1024,
      maxPendingBytes: options.maxPendingBytes ?? 64 * 1024 * 1024,
      lateMs: options.lateMs ?? 90,
      sync: options.sync ?? (handle => handle.datasync()),
      watcher: options.watcher ?? {},
    }
    this.#segment = 1
    this.#durable = { segment: 1, offset: SEGMENT_HEADER.length }
    this.#adopt(file)
  }

  static async create(options: SpoolOptions): Promise<Spool> {
    return new Spool(options, await createSegment(options.folder, 1))
  }

  /** Everything before it is on disk. */
  get durable(): SpoolPosition {
    return this.#durable
  }

  get durableRecords(): number {
    return this.#durableRecords
  }

  /** Why the disk does not take records; undefined while it does. */
  get failing(): string | undefined {
    return this.#failing
  }

  /** Size of the segments and of what waits for them. */
  get bytes(): number {
    return this.#bytesOnDisk + this.#pendingBytes
  }

  /**
   * Takes an encoded record.
   *
   * @returns a promise that resolves once the record is durable or late; undefined when too much waits for the disk.
   */
  append(record: Buffer): Promise<void> | undefined {
    if (this.#pendingBytes + record.length > this.#options.maxPendingBytes) return undefined
    this.#pending.push(record)
    this.#pendingBytes += record.length
    this.#group ??= this.#openGroup()
    this.#group.records++
    const { done } = this.#group
    this.#running ??= this.#run()
    return done
  }

  /** Calls back whenever more has become durable; returns the way to stop that. */
  onDurable(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Removes the segments before a number, but never the one that is written. */
  async removeBefore(segment: number): Promise<void> {
    for (const number of [...this.#segmentBytes.keys()]) {
      if (number >= Math.min(segment, this.#durable.segment)) continue
      await unlink(segmentPath(this.folder, number)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      this.#bytesOnDisk -= this.#segmentBytes.get(number) ?? 0
      this.#segmentBytes.delete(number)
    }
  }

  /** Writes what waits, as long as the disk takes it, tells of what was dropped, and leaves the files to others. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#running
    // All that counts in it has been synced.
    await this.#file?.close().catch(() => {})
    this.#file = undefined
  }

  #adopt(file: FileHandle): void {
    this.#file = file
    this.#offset = SEGMENT_HEADER.length
    this.#end = SEGMENT_HEADER.length
    this.#count(SEGMENT_HEADER.length)
  }

  #count(bytes: number): void {
    this.#bytesOnDisk += bytes
    this.#segmentBytes.set(this.#segment, (this.#segmentBytes.get(this.#segment) ?? 0) + bytes)
  }

  #openGroup(): Group {
    let settle = () => {}
    const done = new Promise<void>(resolve => {
      settle = resolve
    })
    const group: Group = {
      done,
      settle,
      records: 0,
      callOff: this.#options.timers.after(this.#options.lateMs, () => {
        if (this.#group === group) this.#group = undefined
        this.#options.watcher.late?.(group.records)
        group.settle()
      }),
    }
    return group
  }

  async #run(): Promise<void> {
    let failures = 0
    // What is appended in the same turn goes with it.
    await undefined
    while (this.#pending.length > 0 || this.#written.length > 0) {
      try {
        await this.#store()
        failures = 0
      } catch (error) {
        await this.#putBack(error)
        if (this.#closing && failures >= CLOSING_TRIES) {
          this.#drop()
          break
        }
        await sleep(doublingMs(failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS))
      }
    }
    this.#running = undefined
  }

  /** Writes what waits, and makes durable what is written. */
  async #store(): Promise<void> {
    if (this.#isFull && this.#written.length === 0) {
      await this.#file?.close()
      this.#file = undefined
    }
    const file = this.#file ?? (await this.#nextSegment())
    await this.#writePending(file)
    const covered = this.#written.length
    const synced = this.#options.sync(file)
    try {
      while (!(await this.#isOver(synced))) await this.#writePending(file)
    } finally {
      await synced
    }
    this.#advance(this.#written.splice(0, covered))
  }

  get #isFull(): boolean {
    return this.#end >= this.#options.maxSegmentBytes
  }

  /** @returns false where it takes long. */
  #isOver(synced: Promise<void>): Promise<boolean> {
    return new Promise(resolve => {
      const callOff = this.#options.timers.after(SLOW_SYNC_MS, () => resolve(false))
      const over = () => {
        callOff()
        resolve(true)
      }
      synced.then(over, over)
    })
  }

  async #writePending(file: FileHandle): Promise<void> {
    if (this.#pending.length === 0 || this.#isFull) return
    const bytes = Buffer.concat(this.#pending)
    this.#written.push({
      records: this.#pending,
      bytes: bytes.length,
      group: this.#group,
      startMs: this.#options.clock.monotonic(),
    })
    this.#pending = []
    this.#group = undefined
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, written, bytes.length - written, this.#end)
      written += bytesWritten
      this.#end += bytesWritten
    }
  }

  /** These rounds are durable. */
  #advance(rounds: readonly Round[]): void {
    const { clock, watcher } = this.#options
    const bytes = rounds.reduce((sum, round) => sum + round.bytes, 0)
    const records = rounds.reduce((sum, round) => sum + round.records.length, 0)
    this.#failing = undefined
    this.#pendingBytes -= bytes
    this.#count(bytes)
    this.#offset += bytes
    this.#durable = { segment: this.#segment, offset: this.#offset }
    this.#durableRecords += records
    const startMs = rounds[0]?.startMs ?? clock.monotonic()
    watcher.synced?.(records, bytes, (clock.monotonic() - startMs) / 1000)
    for (const { group } of rounds) {
      group?.callOff()
      group?.settle()
    }
    for (const listener of this.#listeners) listener()
  }

  /** The records go in front of what came meanwhile; their groups are answered by their timers, at the latest. */
  async #putBack(error: unknown): Promise<void> {
    this.#failing = messageOf(error)
    this.#options.watcher.failed?.(error)
    const rounds = this.#written.splice(0)
    this.#pending = [...rounds.flatMap(({ records }) => records), ...this.#pending]
    for (const { group } of rounds.reverse()) {
      if (this.#group === undefined) this.#group = group
      else if (group) this.#answerWith(this.#group, group)
    }
    await this.#leaveSegment()
  }

  /** Nobody will write what waits: this process is ending, and its disk takes nothing. */
  #drop(): void {
    const records = this.#pending.length
    this.#pending = []
    this.#pendingBytes = 0
    this.#group?.callOff()
    this.#group?.settle()
    this.#group = undefined
    this.#options.watcher.dropped?.(records)
  }

  /** An older group that failed is answered with a younger one. */
  #answerWith(younger: Group, older: Group): void {
    void younger.done.then(() => {
      older.callOff()
      older.settle()
    })
  }

  async #nextSegment(): Promise<FileHandle> {
    const file = await createSegment(this.folder, this.#segment + 1)
    this.#segment++
    this.#adopt(file)
    return file
  }

  async #leaveSegment(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (!file) return
    try {
      await file.truncate(this.#offset)
    } catch {
      // A reader then finds damaged bytes behind the last whole record, and counts them.
    }
    await file.close().catch(() => {})
  }
}
