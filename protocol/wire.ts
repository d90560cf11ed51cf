/**
 * Reading and writing of Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding).
 *
 * By hand, since the messages of this protocol are few and small and an event must cost microseconds; the
 * comparison with pbf and protobufjs stands in docs/decisions.md.
 */
import { SluiceError } from '../foundation/errors.ts'

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

const broken = (what: string) => new SluiceError('SLUICE_PROTOCOL_FRAME', `malformed message: ${what}`)

/** Reads one message, or a part of one, from `bytes[position, end)`. Strings and byte fields never reach outside. */
export class WireReader {
  bytes: Buffer
  position: number
  end: number

  constructor(bytes: Buffer, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  get more(): boolean {
    return this.position < this.end
  }

  /** A tag or another 32-bit number; longer ones are cut to their lower 32 bits, as the format demands. */
  uint32(): number {
    const { bytes } = this
    let byte = this.#byte(bytes)
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    for (let shift = 7; shift < 70; shift += 7) {
      byte = this.#byte(bytes)
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw broken('a number of more than ten bytes')
  }

  int32(): number {
    return this.uint32() | 0
  }

  /** @throws SLUICE_PROTOCOL_FRAME for a number that a double can't hold exactly. */
  int64(): number {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte(this.bytes)
      if (shift < 28) low |= (byte & 0x7f) << shift
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28
        high = (byte & 0x7f) >> 4
      } else high |= (byte & 0x7f) << (shift - 32)
      if (byte < 0x80) {
        const value = (high | 0) * 0x1_0000_0000 + (low >>> 0)
        if (!Number.isSafeInteger(value)) throw broken('a 64-bit number beyond 2^53')
        return value
      }
    }
    throw broken('a number of more than ten bytes')
  }

  bool(): boolean {
    return this.uint32() !== 0
  }

  double(): number {
    this.#need(8)
    const value = this.bytes.readDoubleLE(this.position)
    this.position += 8
    return value
  }

  string(): string {
    const end = this.span()
    const text = this.bytes.toString('utf8', this.position, end)
    this.position = end
    return text
  }

  /** A copy, so that it does not keep the whole chunk alive. */
  byteString(): Buffer {
    const end = this.span()
    const copy = Buffer.from(this.bytes.subarray(this.position, end))
    this.position = end
    return copy
  }

  /** Reads an embedded message with `read`, which sees nothing behind its end. */
  message<T>(read: (reader: WireReader) => T): T {
    const end = this.span()
    const outer = this.end
    this.end = end
    const value = read(this)
    this.position = end
    this.end = outer
    return value
  }

  /** Leaves out a field that is not known. */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        while (this.#byte(this.bytes) >= 0x80);
        return
      case FIXED64:
        this.#need(8)
        this.position += 8
        return
      case BYTES:
        this.position = this.span()
        return
      case FIXED32:
        this.#need(4)
        this.position += 4
        return
      default:
        throw broken(`wire type ${tag & 7}`)
    }
  }

  #byte(bytes: Buffer): number {
    if (this.position >= this.end) throw broken('it ends within a field')
    return bytes[this.position++]!
  }

  #need(count: number): void {
    if (this.end - this.position < count) throw broken('it ends within a field')
  }

  /** Reads a length, and gives the position where what it spans ends. */
  span(): number {
    const length = this.uint32()
    this.#need(length)
    return this.position + length
  }
}

/** Longer values are not copied into the writer's buffer: they go out as chunks of their own. */
const OWN_CHUNK_BYTES = 16_384
/** A buffer that has grown beyond this is not kept. */
const MAX_KEPT_BYTES = 65_536

/** A value that stands between the bytes of the buffer, in front of position `at`. */
interface Inserted {
  at: number
  readonly bytes: Uint8Array
}

/** Appends fields, frames and messages to one growing buffer; long values stay where they are. */
export class WireWriter {
  bytes: Buffer
  length = 0
  readonly #capacity: number
  #inserted: Inserted[] = []

  constructor(capacity = 1024) {
    this.#capacity = capacity
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + count))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  uint32(value: number): void {
    this.reserve(5)
    const { bytes } = this
    let rest = value >>> 0
    while (rest >= 0x80) {
      bytes[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[this.length++] = rest
  }

  int32Field(tag: number, value: number): void {
    this.uint32(tag)
    if (value >= 0) this.uint32(value)
    else this.#int64(value)
  }

  int64Field(tag: number, value: number): void {
    this.uint32(tag)
    this.#int64(value)
  }

  boolField(tag: number, value: boolean): void {
    this.uint32(tag)
    this.uint32(value ? 1 : 0)
  }

  doubleField(tag: number, value: number): void {
    this.uint32(tag)
    this.reserve(8)
    this.length = this.bytes.writeDoubleLE(value, this.length)
  }

  stringField(tag: number, value: string): void {
    if (value.length > OWN_CHUNK_BYTES) {
      this.bytesField(tag, Buffer.from(value))
      return
    }
    this.uint32(tag)
    const mark = this.open()
    this.text(value)
    this.close(mark)
  }

  /** A long value is not copied: it must not change until it is written. */
  bytesField(tag: number, value: Uint8Array): void {
    this.uint32(tag)
    this.uint32(value.length)
    if (value.length > OWN_CHUNK_BYTES) this.#inserted.push({ at: this.length, bytes: value })
    else this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length)
    this.bytes.set(value, this.length)
    this.length += value.length
  }

  text(value: string): void {
    this.reserve(value.length * 3)
    if (value.length < 48) {
      const { bytes } = this
      let at = this.length
      for (let index = 0; index < value.length; index++) {
        const code = value.charCodeAt(index)
        if (code >= 0x80) {
          this.length += bytes.write(value, this.length)
          return
        }
        bytes[at++] = code
      }
      this.length = at
    } else this.length += this.bytes.write(value, this.length)
  }

  /** Begins an embedded message; `close` with what this returned writes its length in front of it. */
  open(): number {
    this.reserve(1)
    return this.length++
  }

  close(mark: number): void {
    const size = this.length - mark - 1 + this.#insertedSince(mark + 1)
    if (size < 0x80) {
      this.bytes[mark] = size
      return
    }
    let extra = 1
    for (let rest = size >>> 14; rest > 0; rest >>>= 7) extra++
    this.reserve(extra)
    this.bytes.copyWithin(mark + 1 + extra, mark + 1, this.length)
    for (const inserted of this.#inserted) if (inserted.at > mark) inserted.at += extra
    const end = this.length + extra
    this.length = mark
    this.uint32(size)
    this.length = end
  }

  /** Begins a frame: four bytes for its length, written by `closeFrame`. */
  openFrame(): number {
    this.reserve(4)
    this.length += 4
    return this.length
  }

  closeFrame(mark: number): void {
    this.bytes.writeUInt32LE(this.length - mark + this.#insertedSince(mark), mark - 4)
  }

  /** What was written so far, as one copy; the writer is empty again. */
  take(): Buffer {
    if (this.#inserted.length > 0) return Buffer.concat(this.takeChunks())
    const taken = Buffer.from(this.written)
    this.clear()
    return taken
  }

  /** What was written so far, where no long value is: uncopied, so it changes with the next write. */
  get written(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  /** The same in chunks; long values are chunks of their own, uncopied. */
  takeChunks(): Uint8Array[] {
    const chunks: Uint8Array[] = []
    let from = 0
    for (const { at, bytes } of this.#inserted) {
      if (at > from) chunks.push(Buffer.from(this.bytes.subarray(from, at)))
      chunks.push(bytes)
      from = at
    }
    if (this.length > from) chunks.push(Buffer.from(this.bytes.subarray(from, this.length)))
    this.clear()
    return chunks
  }

  /** True where a long value was written, so that `takeChunks` spares copies. */
  get hasLongValues(): boolean {
    return this.#inserted.length > 0
  }

  /** Forgets what was written from this length on. */
  truncate(length: number): void {
    this.length = length
    if (this.#inserted.length > 0) this.#inserted = this.#inserted.filter(({ at }) => at <= length)
  }

  /** Empties it; its bytes will be written over. */
  clear(): void {
    this.length = 0
    if (this.#inserted.length > 0) this.#inserted = []
    if (this.bytes.length > MAX_KEPT_BYTES) this.release()
  }

  /** Empties it, and leaves its bytes as they are to who still holds `written`. */
  release(): void {
    this.length = 0
    this.bytes = Buffer.allocUnsafe(this.#capacity)
  }

  #insertedSince(position: number): number {
    if (this.#inserted.length === 0) return 0
    let count = 0
    for (const { at, bytes } of this.#inserted) if (at >= position) count += bytes.length
    return count
  }

  /** Two's complement over ten bytes for a negative number. */
  #int64(value: number): void {
    if (value >= 0 && value <= 0xffff_ffff) {
      this.uint32(value)
      return
    }
    this.reserve(10)
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest >= 0x80n) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.bytes[this.length++] = Number(rest)
  }
}
