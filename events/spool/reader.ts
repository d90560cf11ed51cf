import { type FileHandle, open } from 'node:fs/promises'
import { RECORD_HEADER_BYTES, scanRecords } from './record.ts'
import { listSegments, SEGMENT_HEADER, type SpoolPosition, segmentPath } from './segment.ts'

/** Records in their order, and where the next ones begin. */
export interface SpoolBatch {
  readonly payloads: readonly Buffer[]
  readonly end: SpoolPosition
  /** Stretches of corrupt bytes that were skipped, and their length. */
  readonly badRegions: number
  readonly badBytes: number
}

export interface SpoolReaderOptions {
  readonly folder: string
  readonly from: SpoolPosition
  /**
   * How far may be read: the durable end of a spool that is being written. Undefined: to the end of the last file.
   */
  readonly limit?: () => SpoolPosition
  /** Another process may be writing: an unfinished record at the end of the last file is left for later. */
  readonly live?: boolean
}

/**
 * The reading end of a spool. It reads from its own place on; telling a cursor what is confirmed is for its user.
 */
export class SpoolReader {
  readonly #folder: string
  readonly #limit: (() => SpoolPosition) | undefined
  readonly #live: boolean
  #position: SpoolPosition
  #file: { readonly segment: number; readonly handle: FileHandle } | undefined

  constructor(options: SpoolReaderOptions) {
    this.#folder = options.folder
    this.#limit = options.limit
    this.#live = options.live ?? false
    this.#position = options.from
  }

  get position(): SpoolPosition {
    return this.#position
  }

  /** The next records; undefined when there is none yet, or (of a spool that nobody writes) none any more. */
  async next(maxRecords: number, maxBytes: number): Promise<SpoolBatch | undefined> {
    for (;;) {
      const limit = this.#limit?.()
      if (limit && this.#position.segment > limit.segment) return undefined
      const handle = await this.#open(this.#position.segment)
      const fileBytes = handle === undefined ? 0 : (await handle.stat()).size
      const end =
        limit && this.#position.segment === limit.segment ? Math.min(limit.offset, fileBytes) : fileBytes
      if (handle && this.#position.offset < end) {
        const batch = await this.#read(handle, end, maxRecords, maxBytes)
        if (batch) return batch
      }
      if (limit && this.#position.segment >= limit.segment) return undefined
      const following = await this.#following()
      if (following === undefined) return undefined
      this.#position = { segment: following, offset: SEGMENT_HEADER.length }
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close()
    this.#file = undefined
  }

  async #following(): Promise<number | undefined> {
    return (await listSegments(this.#folder)).find(number => number > this.#position.segment)
  }

  async #open(segment: number): Promise<FileHandle | undefined> {
    if (this.#file?.segment === segment) return this.#file.handle
    await this.close()
    try {
      this.#file = { segment, handle: await open(segmentPath(this.#folder, segment), 'r') }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    return this.#file.handle
  }

  /** Undefined when there is only the beginning of a record. */
  async #read(
    handle: FileHandle,
    end: number,
    maxRecords: number,
    maxBytes: number,
  ): Promise<SpoolBatch | undefined> {
    const start = this.#position.offset
    const growing = this.#live && (await this.#following()) === undefined
    let length = Math.min(end - start, Math.max(maxBytes, RECORD_HEADER_BYTES))
    for (;;) {
      const bytes = Buffer.allocUnsafe(length)
      const { bytesRead } = await handle.read(bytes, 0, length, start)
      const all = start + bytesRead >= end || bytesRead < length
      const scan = scanRecords(bytes.subarray(0, bytesRead), all && !growing, maxRecords)
      if (scan.consumed === 0 && all) return undefined
      if (scan.consumed === 0) {
        // A record that is longer than what was read.
        length = Math.min(end - start, length * 2)
        continue
      }
      this.#position = { segment: this.#position.segment, offset: start + scan.consumed }
      return {
        payloads: scan.records.map(record => record.payload),
        end: this.#position,
        badRegions: scan.badRegions,
        badBytes: scan.badBytes,
      }
    }
  }
}
