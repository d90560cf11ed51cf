/** Kong's answers to PDK calls as messages of ProtoBuf:1 (kong/runloop/plugin_servers/rpc/pb_rpc.lua of 3.9). */
import { METHODS, type Method } from '../../../protocol/pdk/table.ts'
import { TYPES, type TypeName } from '../../../protocol/types.ts'
import type { WireReader, WireWriter } from '../../../protocol/wire.ts'
import { Nil } from '../pdk/call.ts'

export interface Signature {
  readonly input: TypeName
  readonly output: TypeName
}

/** The calls that exist in ProtoBuf:1. */
export function signatureOf(method: string): Signature | undefined {
  const found = Object.hasOwn(METHODS, method) ? METHODS[method as Method] : null
  return found === null ? undefined : { input: found[0], output: found[1] }
}

export function readArguments(signature: Signature, reader: WireReader): unknown[] {
  const args = TYPES[signature.input].read(reader)
  switch (signature.input) {
    case 'AuthenticateArgs':
      return args.map(entity => entity && snakeCased(entity as Fields))
    // proto3 knows no absent text: Kong's decoder gives "" and no headers.
    case 'ExitArgs':
      return [args[0], args[1] ?? '', args[2]]
    case 'KV':
    case 'ListValue':
    case 'Struct':
      return args.map(decoded)
    default:
      return args
  }
}

type Fields = Readonly<Record<string, unknown>>

/** Kong reads a `false` inside a Value as nil (`v.bool_value or v.string_value or …`), and a value of no kind. */
function decoded(value: unknown): unknown {
  if (value === false || value === null) return undefined
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, one]) => [name, decoded(one)] as const)
      .filter(([, one]) => one !== undefined),
  )
}

/** An empty table of Lua is neither list nor map; Kong writes it as a map. */
function table(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? {} : value.map(table)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, table(one)]))
}

/** A null of ours is what the enum does not know: Kong's encoder writes 1. */
const NULL_VALUE = Buffer.of(0x08, 0x01)

export function writeReply(writer: WireWriter, { output }: Signature, answer: unknown): void {
  const value = answer instanceof Nil ? undefined : answer
  switch (output) {
    case 'Empty':
      return
    case 'Value':
      if (value === undefined || value === null) writer.raw(NULL_VALUE)
      else TYPES.Value.write(writer, [table(value)])
      return
    case 'RawBodyResult':
      TYPES.RawBodyResult.write(writer, [Buffer.isBuffer(value) ? { content: value } : value])
      return
    case 'UriCapturesResult': {
      const { unnamed, named } = value as { unnamed: readonly string[]; named: Fields }
      const entries = Object.entries(named).map(([key, text]) => ({ key, value: text }))
      TYPES.UriCapturesResult.write(writer, [{ unnamed, named: entries }])
      return
    }
    case 'Route':
    case 'Service':
    case 'Consumer':
    case 'AuthenticatedCredential':
    case 'MemoryStats':
      if (value !== undefined) TYPES[output].write(writer, [camelCased(value as Fields)])
      return
    default:
      if (value !== undefined) TYPES[output].write(writer, [value])
  }
}

/** An entity of Kong's tables in the names of the messages. Kong's encoder leaves out zeros, but writes false. */
function camelCased(fields: Fields): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === 0 || value === '') continue
    const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    message[camel] = converted(value)
  }
  return message
}

function converted(value: unknown): unknown {
  // Headers, sources and destinations of a route are no lists of text; Kong's encoder can't write them either.
  if (Array.isArray(value))
    return value.every(one => typeof one === 'object')
      ? value.filter(one => 'pid' in one).map(one => camelCased(one))
      : value
  return typeof value === 'object' && value !== null ? camelCased(value as Fields) : value
}

/** The fields that a message has, by the names of Kong's tables. */
function snakeCased(message: Fields): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(message)) {
    if (Array.isArray(value) && value.length === 0) continue
    fields[name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)] = value
  }
  return fields
}
