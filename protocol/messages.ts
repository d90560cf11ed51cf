/**
 * The messages of ProtoBuf:1 as data: field names, numbers and kinds from the facts in docs/protocol.md, and one
 * reader and one writer for all of them. A field that is absent on the wire is absent in the object; a repeated one
 * is an empty list.
 */
import { type JsonValue, readValue, writeValue } from './values.ts'
import type { WireReader, WireWriter } from './wire.ts'

type Scalar = 'string' | 'bytes' | 'int32' | 'int64' | 'bool' | 'double' | 'value'
type Kind = Scalar | Message

interface Field {
  readonly name: string
  readonly kind: Kind
  readonly repeated: boolean
  readonly tag: number
}

/** `{name: [number, kind]}`; a kind in a list is repeated */
type Shape = Readonly<Record<string, readonly [number: number, kind: Kind | readonly [Kind]]>>

export type Plain = Record<string, unknown>

export class Message {
  readonly #fields: readonly Field[]
  /** By field number. */
  readonly #known: (Field | undefined)[] = []
  readonly #lists: readonly string[]

  constructor(shape: Shape) {
    this.#fields = Object.entries(shape).map(([name, [number, kind]]) => {
      const repeated = Array.isArray(kind)
      const one = (repeated ? kind[0] : kind) as Kind
      return { name, kind: one, repeated, tag: (number << 3) | wireType(one) }
    })
    for (const field of this.#fields) this.#known[field.tag >>> 3] = field
    this.#lists = this.#fields.filter(field => field.repeated).map(field => field.name)
  }

  read(reader: WireReader): Plain {
    const object: Plain = {}
    for (const name of this.#lists) object[name] = []
    while (reader.more) {
      const tag = reader.uint32()
      const field = this.#known[tag >>> 3]
      if (field === undefined || field.tag !== tag) reader.skip(tag)
      else if (field.repeated) (object[field.name] as unknown[]).push(readOne(reader, field.kind))
      else object[field.name] = readOne(reader, field.kind)
    }
    return object
  }

  write(writer: WireWriter, object: Plain): void {
    for (const field of this.#fields) {
      const value = object[field.name]
      if (value === undefined || value === null) continue
      // Kong writes nothing of a map where the message has a list: the headers of a route.
      if (field.repeated) for (const item of Array.isArray(value) ? value : []) writeOne(writer, field, item)
      else writeOne(writer, field, value)
    }
  }
}

function wireType(kind: Kind): number {
  if (kind === 'double') return 1
  return kind === 'int32' || kind === 'int64' || kind === 'bool' ? 0 : 2
}

function readOne(reader: WireReader, kind: Kind): unknown {
  switch (kind) {
    case 'string':
      return reader.string()
    case 'bytes':
      return reader.byteString()
    case 'int32':
      return reader.int32()
    case 'int64':
      return reader.int64()
    case 'bool':
      return reader.bool()
    case 'double':
      return reader.double()
    case 'value':
      return reader.message(inner => readValue(inner))
    default:
      return reader.message(inner => kind.read(inner))
  }
}

function writeOne(writer: WireWriter, field: Field, value: unknown): void {
  const { tag, kind } = field
  switch (kind) {
    case 'string':
      writer.stringField(tag, value as string)
      return
    case 'bytes':
      writer.bytesField(tag, typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array))
      return
    case 'int32':
      writer.int32Field(tag, value as number)
      return
    case 'int64':
      writer.int64Field(tag, value as number)
      return
    case 'bool':
      writer.boolField(tag, value as boolean)
      return
    case 'double':
      writer.doubleField(tag, value as number)
      return
  }
  writer.uint32(tag)
  const mark = writer.open()
  if (kind === 'value') writeValue(writer, value as JsonValue)
  else kind.write(writer, value as Plain)
  writer.close(mark)
}
