import { SluiceError } from '../foundation/errors.ts'

/**
 * Finds the ends of MessagePack values in a byte stream, since MsgPack:1 sends no lengths
 * (https://github.com/msgpack/msgpack/blob/master/spec.md).
 *
 * Each byte is looked at once, however many chunks a value comes in: an element that opens a list or a map only
 * raises the number of elements that are still to come, and strings are stepped over.
 */
export class MsgpackStream {
  readonly #maxBytes: number
  #buffer: Buffer = Buffer.alloc(0)
  #filled = 0
  /** Everything before this is known to belong to the value that is being looked for. */
  #scanned = 0
  #elementsToCome = 1

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Takes a chunk and gives the bytes of each whole value to `take`, valid until it returns; `take` returns false to
   * stop.
   *
   * @throws SLUICE_PROTOCOL_FRAME for a value above the cap, or a byte that MessagePack never uses.
   */
  push(chunk: Buffer, take: (value: Buffer) => boolean): void {
    this.#append(chunk)
    let start = 0
    for (;;) {
      const end = this.#scan()
      if (end === undefined) break
      this.#elementsToCome = 1
      if (!take(this.#buffer.subarray(start, end))) return
      start = end
      if (start === this.#filled) break
    }
    const rest = this.#filled - start
    if (rest > this.#maxBytes || this.#scanned - start > this.#maxBytes)
      throw new SluiceError(
        'SLUICE_PROTOCOL_FRAME',
        `a message is above the limit of ${this.#maxBytes} bytes`,
      )
    if (rest === 0) {
      this.#buffer = Buffer.alloc(0)
    } else if (start > 0) {
      this.#buffer = Buffer.from(this.#buffer.subarray(start, this.#filled))
    }
    this.#filled = rest
    this.#scanned -= start
  }

  #append(chunk: Buffer): void {
    if (this.#filled === 0) {
      this.#buffer = chunk
      this.#filled = chunk.length
      return
    }
    const needed = this.#filled + chunk.length
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#filled * 2))
      this.#buffer.copy(grown, 0, 0, this.#filled)
      this.#buffer = grown
    }
    chunk.copy(this.#buffer, this.#filled)
    this.#filled = needed
  }

  /** The end of the value, or undefined when more bytes are needed. `#scanned` may stand behind what has come. */
  #scan(): number | undefined {
    const bytes = this.#buffer
    while (this.#elementsToCome > 0) {
      const at = this.#scanned
      if (at >= this.#filled) return undefined
      const first = bytes[at] ?? 0
      const header = headerBytes(first)
      if (header === 0)
        throw new SluiceError('SLUICE_PROTOCOL_FRAME', 'a byte that MessagePack never uses: 0xc1')
      if (at + header > this.#filled) return undefined
      let elements = 0
      let payload = 0
      if (first >= 0x80 && first <= 0x8f) elements = (first & 0x0f) * 2
      else if (first >= 0x90 && first <= 0x9f) elements = first & 0x0f
      else if (first >= 0xa0 && first <= 0xbf) payload = first & 0x1f
      else if (first === 0xdc) elements = bytes.readUInt16BE(at + 1)
      else if (first === 0xdd) elements = bytes.readUInt32BE(at + 1)
      else if (first === 0xde) elements = bytes.readUInt16BE(at + 1) * 2
      else if (first === 0xdf) elements = bytes.readUInt32BE(at + 1) * 2
      else if (first === 0xc4 || first === 0xd9) payload = bytes[at + 1] ?? 0
      else if (first === 0xc5 || first === 0xda) payload = bytes.readUInt16BE(at + 1)
      else if (first === 0xc6 || first === 0xdb) payload = bytes.readUInt32BE(at + 1)
      else if (first === 0xc7) payload = bytes[at + 1] ?? 0
      else if (first === 0xc8) payload = bytes.readUInt16BE(at + 1)
      else if (first === 0xc9) payload = bytes.readUInt32BE(at + 1)
      this.#scanned = at + header + payload
      this.#elementsToCome += elements - 1
    }
    return this.#scanned <= this.#filled ? this.#scanned : undefined
  }
}

/** Bytes of an element in front of a string's text or a container's elements; 0 for the one unused byte. */
function headerBytes(first: number): number {
  if (first < 0xc0 || first >= 0xe0) return 1
  return HEADERS[first - 0xc0] ?? 1
}
// c0 nil, -, false, true, bin8/16/32, ext8/16/32 (with type), float32/64, uint8-64, int8-64, fixext 1-16, str8-32,
// array16/32, map16/32
const HEADERS = [
  1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5,
] as const
