import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { crc32c } from './crc32c.ts'
import { SPOOL_START, type SpoolPosition } from './segment.ts'

/** A slot: generation, segment, offset, records (each 8 bytes) and a CRC-32C of them. */
const SLOT_BYTES = 36

/**
 * How far a sink has got in a spool, in a file of its own: `cursor-<sink>`.
 *
 * Two slots are written in turn, so that a torn write leaves the one before it; the higher generation with a right
 * checksum counts. A cursor that lags only makes its sink see records again.
 */
export class Cursor {
  #file: FileHandle
  #generation: number
  #position: SpoolPosition
  #records: number
  #synced: SpoolPosition

  private constructor(file: FileHandle, slot: Slot) {
    this.#file = file
    this.#generation = slot.generation
    this.#position = slot.position
    this.#records = slot.records
    this.#synced = slot.position
  }

  static async open(folder: string, sink: string): Promise<Cursor> {
    const file = await open(cursorPath(folder, sink), 'a+', 0o600).then(async created => {
      await created.close()
      return open(cursorPath(folder, sink), 'r+')
    })
    const bytes = Buffer.alloc(2 * SLOT_BYTES)
    await file.read(bytes, 0, bytes.length, 0)
    return new Cursor(file, latest(bytes))
  }

  /** Everything before it is confirmed. */
  get position(): SpoolPosition {
    return this.#position
  }

  /** Records before it. */
  get records(): number {
    return this.#records
  }

  /** The position that survives a power loss. */
  get synced(): SpoolPosition {
    return this.#synced
  }

  /** Moves on; survives the end of the process at once, and a power loss after `sync`. */
  async advance(position: SpoolPosition, records: number): Promise<void> {
    const generation = this.#generation + 1
    const slot = encodeSlot({ generation, position, records: this.#records + records })
    await this.#file.write(slot, 0, SLOT_BYTES, (generation % 2) * SLOT_BYTES)
    this.#generation = generation
    this.#position = position
    this.#records += records
  }

  async sync(): Promise<void> {
    const position = this.#position
    if (position === this.#synced) return
    await this.#file.datasync()
    this.#synced = position
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

export const cursorPath = (folder: string, sink: string) => path.join(folder, `cursor-${sink}`)

interface Slot {
  readonly generation: number
  readonly position: SpoolPosition
  readonly records: number
}

function encodeSlot({ generation, position, records }: Slot): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES)
  for (const [i, value] of [generation, position.segment, position.offset, records].entries())
    slot.writeBigUInt64LE(BigInt(value), i * 8)
  slot.writeUInt32LE(crc32c(slot, 0, SLOT_BYTES - 4), SLOT_BYTES - 4)
  return slot
}

function latest(bytes: Buffer): Slot {
  let found: Slot = { generation: 0, position: SPOOL_START, records: 0 }
  for (const start of [0, SLOT_BYTES]) {
    const end = start + SLOT_BYTES
    if (crc32c(bytes, start, end - 4) !== bytes.readUInt32LE(end - 4)) continue
    const [generation, segment, offset, records] = [0, 8, 16, 24].map(at =>
      Number(bytes.readBigUInt64LE(start + at)),
    ) as [number, number, number, number]
    if (generation > found.generation) found = { generation, position: { segment, offset }, records }
  }
  return found
}
