/**
 * Writes MessagePack as Kong's encoder does: integers as short as they go, strings of 32 bytes and more with 16 bits
 * of length, an empty table as a list, nothing for a field that is nil.
 */

/** A table that stays a map when it is empty. */
export class MapTable {
  readonly fields: Readonly<Record<string, unknown>>

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.fields = fields
  }
}

export function pack(value: unknown): Buffer {
  const parts: Buffer[] = []
  put(parts, value)
  return Buffer.concat(parts)
}

function put(parts: Buffer[], value: unknown): void {
  switch (typeof value) {
    case 'string': {
      const bytes = Buffer.from(value)
      parts.push(length(bytes.length, STRING), bytes)
      return
    }
    case 'number':
      parts.push(number(value))
      return
    case 'boolean':
      parts.push(Buffer.of(value ? 0xc3 : 0xc2))
      return
  }
  if (value === null || value === undefined) parts.push(Buffer.of(0xc0))
  else if (value instanceof Uint8Array) parts.push(binaryHead(value.length), Buffer.from(value))
  else if (Array.isArray(value)) {
    parts.push(length(value.length, LIST))
    for (const one of value) put(parts, one)
  } else if (value instanceof MapTable) putMap(parts, value.fields)
  else if (isEmpty(value)) parts.push(Buffer.of(0x90))
  else putMap(parts, value as Readonly<Record<string, unknown>>)
}

function putMap(parts: Buffer[], fields: Readonly<Record<string, unknown>>): void {
  const entries = Object.entries(fields).filter(([, one]) => one !== undefined && one !== null)
  parts.push(length(entries.length, MAP))
  for (const [name, one] of entries) {
    put(parts, name)
    put(parts, one)
  }
}

const isEmpty = (table: object) => Object.values(table).every(value => value === undefined || value === null)

/** The codes before a length: within the code up to `fixMax`, then of 16 and of 32 bits. */
interface LengthCodes {
  readonly fix: number
  readonly fixMax: number
  readonly short: number
  readonly long: number
}

const STRING: LengthCodes = { fix: 0xa0, fixMax: 31, short: 0xda, long: 0xdb }
const LIST: LengthCodes = { fix: 0x90, fixMax: 15, short: 0xdc, long: 0xdd }
const MAP: LengthCodes = { fix: 0x80, fixMax: 15, short: 0xde, long: 0xdf }
const BINARY: LengthCodes = { fix: 0, fixMax: -1, short: 0xc5, long: 0xc6 }

function length(count: number, { fix, fixMax, short, long }: LengthCodes): Buffer {
  if (count <= fixMax) return Buffer.of(fix | count)
  if (count <= 0xffff) return Buffer.of(short, count >> 8, count & 0xff)
  const bytes = Buffer.alloc(5, long)
  bytes.writeUInt32BE(count, 1)
  return bytes
}

function binaryHead(count: number): Buffer {
  return count <= 0xff ? Buffer.of(0xc4, count) : length(count, BINARY)
}

function number(value: number): Buffer {
  if (!Number.isSafeInteger(value)) {
    const bytes = Buffer.alloc(9, 0xcb)
    bytes.writeDoubleBE(value, 1)
    return bytes
  }
  if (value >= 0) {
    if (value < 0x80) return Buffer.of(value)
    if (value <= 0xff) return Buffer.of(0xcc, value)
    if (value <= 0xffff) return Buffer.of(0xcd, value >> 8, value & 0xff)
    const wide = value > 0xffff_ffff
    const bytes = Buffer.alloc(wide ? 9 : 5, wide ? 0xcf : 0xce)
    if (wide) bytes.writeBigUInt64BE(BigInt(value), 1)
    else bytes.writeUInt32BE(value, 1)
    return bytes
  }
  if (value >= -0x20) return Buffer.of(0x100 + value)
  if (value >= -0x80) return Buffer.of(0xd0, 0x100 + value)
  const bits = value >= -0x8000 ? 16 : value >= -0x8000_0000 ? 32 : 64
  const bytes = Buffer.alloc(1 + bits / 8, bits === 16 ? 0xd1 : bits === 32 ? 0xd2 : 0xd3)
  if (bits === 16) bytes.writeInt16BE(value, 1)
  else if (bits === 32) bytes.writeInt32BE(value, 1)
  else bytes.writeBigInt64BE(BigInt(value), 1)
  return bytes
}
