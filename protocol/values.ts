/** `google.protobuf.Value`, `Struct` and `ListValue` as JSON values. */
import { BoundedMap } from '../foundation/bounded-map.ts'
import { SluiceError } from '../foundation/errors.ts'
import { type WireReader, WireWriter } from './wire.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
export type JsonObject = { readonly [key: string]: JsonValue }

/** Deeper values would end the process by its stack; Kong itself never nests so far. */
const MAX_DEPTH = 64

const NULL = 0x08
const NUMBER = 0x11
const STRING = 0x1a
const BOOL = 0x20
const STRUCT = 0x2a
const LIST = 0x32
const ENTRY = 0x0a

export function readValue(reader: WireReader, depth = 0): JsonValue {
  if (depth > MAX_DEPTH)
    throw new SluiceError('SLUICE_PROTOCOL_FRAME', `a value nested more than ${MAX_DEPTH} deep`)
  let value: JsonValue = null
  while (reader.more) {
    const tag = reader.uint32()
    switch (tag) {
      case NULL:
        // Kong writes 1, which the enum does not know.
        reader.uint32()
        value = null
        break
      case NUMBER:
        value = reader.double()
        break
      case STRING:
        value = reader.string()
        break
      case BOOL:
        value = reader.bool()
        break
      case STRUCT:
        value = reader.message(inner => readStruct(inner, depth + 1))
        break
      case LIST:
        value = reader.message(inner => readList(inner, depth + 1))
        break
      default:
        reader.skip(tag)
    }
  }
  return value
}

export function readStruct(reader: WireReader, depth = 0): Record<string, JsonValue> {
  const struct: Record<string, JsonValue> = {}
  const entry = (inner: WireReader) => {
    let key = ''
    let value: JsonValue = null
    while (inner.more) {
      const tag = inner.uint32()
      if (tag === 0x0a) key = inner.string()
      else if (tag === 0x12) value = inner.message(part => readValue(part, depth))
      else inner.skip(tag)
    }
    // An assignment to this name would change the object's prototype instead of adding a field.
    if (key === '__proto__')
      Object.defineProperty(struct, key, { value, enumerable: true, configurable: true, writable: true })
    else struct[key] = value
  }
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === ENTRY) reader.message(entry)
    else reader.skip(tag)
  }
  return struct
}

export function readList(reader: WireReader, depth = 0): JsonValue[] {
  const list: JsonValue[] = []
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === ENTRY) list.push(reader.message(inner => readValue(inner, depth)))
    else reader.skip(tag)
  }
  return list
}

/**
 * `undefined` and null are written as a value of no kind, which Kong reads as nil: of a `null_value` it makes the string
 * "NULL_VALUE" (seen in 3.9.3). It reads a `false` as nil, too.
 */
export function writeValue(writer: WireWriter, value: JsonValue | undefined): void {
  switch (typeof value) {
    case 'string':
      writer.stringField(STRING, value)
      return
    case 'number':
      writer.doubleField(NUMBER, value)
      return
    case 'boolean':
      writer.boolField(BOOL, value)
      return
  }
  if (value === null || value === undefined) return
  if (Array.isArray(value)) {
    writer.uint32(LIST)
    const mark = writer.open()
    writeList(writer, value)
    writer.close(mark)
    return
  }
  writer.uint32(STRUCT)
  const mark = writer.open()
  writeStruct(writer, value as JsonObject)
  writer.close(mark)
}

/** How long a name may be that is kept: the names of header fields are, and most others. */
const SHORT_NAME = 64
/** By name. Events write the same names over and over, and copying bytes is faster than encoding a string. */
const heads = new BoundedMap<Buffer>(1000)

/** What stands before the value of an entry: its name, and the tag of the value. */
function headOf(name: string): Buffer {
  const known = heads.get(name)
  if (known) return known
  const writer = new WireWriter(SHORT_NAME)
  writer.stringField(0x0a, name)
  writer.uint32(0x12)
  const head = writer.take()
  if (name.length <= SHORT_NAME) heads.set(name, head)
  return head
}

export function writeStruct(writer: WireWriter, struct: JsonObject): void {
  for (const key in struct) {
    if (!Object.hasOwn(struct, key)) continue
    writer.uint32(ENTRY)
    const entry = writer.open()
    writer.raw(headOf(key))
    const mark = writer.open()
    writeValue(writer, struct[key])
    writer.close(mark)
    writer.close(entry)
  }
}

export function writeList(writer: WireWriter, list: readonly JsonValue[]): void {
  for (const value of list) {
    writer.uint32(ENTRY)
    const mark = writer.open()
    writeValue(writer, value)
    writer.close(mark)
  }
}
