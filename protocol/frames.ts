import { SluiceError } from '../foundation/errors.ts'

/**
 * Cuts a byte stream into the frames of ProtoBuf:1: a length of 32 bits, little-endian, and as many bytes.
 *
 * A frame that lies within one chunk is handed on without a copy; one that is spread over many chunks is put
 * together once, in a buffer of its own size, however small the chunks are.
 */
export class FrameSplitter {
  readonly #maxBytes: number
  /** The length of the next frame, as far as its four bytes have come. */
  #length = 0
  #lengthBytes = 0
  /** The frame that is being put together. */
  #frame: Buffer | undefined
  #filled = 0
  #expected = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Takes a chunk and gives each whole frame to `take`, as `[start, end)` of a buffer that is the taker's only until
   * it returns; `take` returns false to stop.
   *
   * @throws SLUICE_PROTOCOL_FRAME for a frame above the cap.
   */
  push(chunk: Buffer, take: (bytes: Buffer, start: number, end: number) => boolean): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#frame) {
        const count = Math.min(this.#expected - this.#filled, chunk.length - at)
        this.#frame = roomFor(this.#frame, this.#filled + count, this.#expected)
        chunk.copy(this.#frame, this.#filled, at, at + count)
        this.#filled += count
        at += count
        if (this.#filled < this.#expected) return
        const frame = this.#frame
        this.#frame = undefined
        if (!take(frame, 0, this.#expected)) return
        continue
      }
      let length: number
      if (this.#lengthBytes === 0 && chunk.length - at >= 4) {
        length = chunk.readUInt32LE(at)
        at += 4
      } else {
        this.#length |= chunk[at++]! << (8 * this.#lengthBytes++)
        if (this.#lengthBytes < 4) continue
        length = this.#length >>> 0
        this.#length = 0
        this.#lengthBytes = 0
      }
      if (length > this.#maxBytes)
        throw new SluiceError(
          'SLUICE_PROTOCOL_FRAME',
          `a frame of ${length} bytes is above the limit of ${this.#maxBytes}`,
        )
      if (chunk.length - at >= length) {
        const start = at
        at += length
        if (!take(chunk, start, at)) return
      } else {
        this.#frame = Buffer.allocUnsafeSlow(Math.min(length, FIRST_ROOM))
        this.#filled = 0
        this.#expected = length
      }
    }
  }
}

/** A length is only a claim: memory is taken as the bytes come, doubling, so that a claim alone costs little. */
const FIRST_ROOM = 65_536

function roomFor(buffer: Buffer, needed: number, expected: number): Buffer {
  if (needed <= buffer.length) return buffer
  const grown = Buffer.allocUnsafeSlow(Math.min(expected, Math.max(needed, buffer.length * 2)))
  buffer.copy(grown)
  return grown
}
