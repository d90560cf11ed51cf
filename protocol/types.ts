/**
 * What a PDK call takes and gives in ProtoBuf:1, by the names of the message types. Arguments are positional, as in
 * MsgPack:1 and in Kong's own Lua functions, so that both protocols take the same lists.
 */
import * as entities from './entities.ts'
import type { Message, Plain } from './messages.ts'
import {
  type JsonObject,
  type JsonValue,
  readList,
  readStruct,
  readValue,
  writeList,
  writeStruct,
  writeValue,
} from './values.ts'
import type { WireReader, WireWriter } from './wire.ts'

export interface TypeCodec {
  /** Arguments as a message. */
  write(writer: WireWriter, args: readonly unknown[]): void
  /** A message as arguments; a reply is the first of them. */
  read(reader: WireReader): unknown[]
}

/** Reads the fields of a small message by their tags; absent ones stay as given. */
function readFields(reader: WireReader, values: unknown[], byTag: Readonly<Record<number, Read>>): unknown[] {
  while (reader.more) {
    const tag = reader.uint32()
    const read = byTag[tag]
    if (read) values[(tag >>> 3) - 1] = read(reader)
    else reader.skip(tag)
  }
  return values
}
type Read = (reader: WireReader) => unknown

const string: Read = reader => reader.string()
const bytes: Read = reader => reader.byteString()
const int32: Read = reader => reader.int32()
const bool: Read = reader => reader.bool()
const value: Read = reader => reader.message(inner => readValue(inner))
const struct: Read = reader => reader.message(inner => readStruct(inner))

function whole(message: Message): TypeCodec {
  return {
    write: (writer, [object]) => {
      if (object !== undefined && object !== null) message.write(writer, object as Plain)
    },
    read: reader => [message.read(reader)],
  }
}

const toBytes = (body: unknown): Uint8Array =>
  typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array)

const STRING_FIELD = { 10: string }
const KV_FIELDS = { 10: string, 18: value }
const TARGET_FIELDS = { 10: string, 16: int32 }
const EXIT_FIELDS = { 8: int32, 18: bytes, 26: struct }

export const TYPES = {
  Empty: {
    write: () => {},
    read: () => [],
  },
  String: {
    write: (writer, [text]) => {
      if (text) writer.stringField(0x0a, text as string)
    },
    read: reader => readFields(reader, [''], STRING_FIELD),
  },
  ByteString: {
    write: (writer, [body]) => {
      if (body) writer.bytesField(0x0a, toBytes(body))
    },
    read: reader => readFields(reader, [Buffer.alloc(0)], { 10: bytes }),
  },
  Int: {
    write: (writer, [number]) => {
      if (number) writer.int32Field(0x08, number as number)
    },
    read: reader => readFields(reader, [0], { 8: int32 }),
  },
  Bool: {
    write: (writer, [flag]) => {
      if (flag !== undefined && flag !== null) writer.boolField(0x08, flag as boolean)
    },
    read: reader => readFields(reader, [false], { 8: bool }),
  },
  Number: {
    write: (writer, [number]) => writer.doubleField(0x09, number as number),
    read: reader => readFields(reader, [0], { 9: inner => inner.double() }),
  },
  KV: {
    write: (writer, [key, item]) => {
      writer.stringField(0x0a, key as string)
      writer.uint32(0x12)
      const mark = writer.open()
      writeValue(writer, item as JsonValue)
      writer.close(mark)
    },
    read: reader => readFields(reader, ['', null], KV_FIELDS),
  },
  Target: {
    write: (writer, [host, port]) => {
      writer.stringField(0x0a, host as string)
      writer.int32Field(0x10, port as number)
    },
    read: reader => readFields(reader, ['', 0], TARGET_FIELDS),
  },
  ConsumerSpec: {
    write: (writer, [id, byUsername]) => {
      writer.stringField(0x0a, id as string)
      if (byUsername) writer.boolField(0x10, true)
    },
    read: reader => readFields(reader, ['', false], { 10: string, 16: bool }),
  },
  ExitArgs: {
    write: (writer, [status, body, headers]) => {
      writer.int32Field(0x08, status as number)
      if (typeof body === 'string') writer.stringField(0x12, body)
      else if (body !== undefined && body !== null) writer.bytesField(0x12, body as Uint8Array)
      if (headers === undefined || headers === null) return
      writer.uint32(0x1a)
      const mark = writer.open()
      writeStruct(writer, headers as JsonObject)
      writer.close(mark)
    },
    read: reader => readFields(reader, [0, undefined, undefined], EXIT_FIELDS),
  },
  AuthenticateArgs: {
    write: (writer, [consumer, credential]) =>
      entities.AuthenticateArgs.write(writer, { consumer, credential }),
    read: reader => {
      const both = entities.AuthenticateArgs.read(reader)
      return [both.consumer, both.credential]
    },
  },
  Value: {
    write: (writer, [item]) => writeValue(writer, item as JsonValue),
    read: reader => [readValue(reader)],
  },
  Struct: {
    write: (writer, [fields]) => writeStruct(writer, fields as JsonObject),
    read: reader => [readStruct(reader)],
  },
  ListValue: {
    write: (writer, items) => writeList(writer, items as readonly JsonValue[]),
    read: reader => readList(reader),
  },
  Route: whole(entities.Route),
  Service: whole(entities.Service),
  Consumer: whole(entities.Consumer),
  AuthenticatedCredential: whole(entities.AuthenticatedCredential),
  MemoryStats: whole(entities.MemoryStats),
  RawBodyResult: whole(entities.RawBodyResult),
  UriCapturesResult: whole(entities.UriCapturesResult),
} as const satisfies Record<string, TypeCodec>

export type TypeName = keyof typeof TYPES
