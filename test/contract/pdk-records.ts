/** The PDK calls that a real Kong 3.9.3 answered, as `kong-reference/pdk` holds them. */
import { readFileSync } from 'node:fs'
import type { Method } from '../../protocol/pdk/table.ts'
import type { Phase } from '../../sdk/sdk.ts'

export interface ProtobufRecord {
  readonly phase: Phase
  readonly method: Method
  readonly args: Readonly<Record<string, unknown>>
  readonly argHex: string
  /** Null: Kong raised, and closed the connection. */
  readonly replyHex: string | null
  readonly reply: unknown
}

export interface ProtobufCallRecord {
  readonly rpc: Readonly<Record<string, unknown>>
  readonly frameHex: string
}

export interface MsgpackRecord {
  readonly phase: Phase
  readonly method: Method
  readonly args: readonly unknown[]
  /** Null: Kong never answered. */
  readonly step: string | null
  /** The whole message with Kong's answer; missing where it holds what must not be shown. */
  readonly hex?: string
  readonly hasData?: boolean
  readonly data?: unknown
}

export interface MsgpackCallRecord {
  readonly rpc: string
  readonly hex: string
  readonly decoded: readonly unknown[]
}

/** A call in a phase of a connection, as far as Kong let it be made. */
export interface ConnectionRecord {
  readonly phase: Phase
  /** What listens: `https`, or `tcp` and `tls` of the stream subsystem. */
  readonly listener: 'https' | 'tcp' | 'tls'
  readonly method: Method
  readonly answer?: 'value' | 'nothing' | 'exit'
  /** Why Kong raised, and broke the connection off. */
  readonly refused?: string
}

function lines<T>(file: string, folder = 'kong-reference/pdk'): T[] {
  const text = readFileSync(new URL(`./${folder}/${file}.jsonl`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)
}

const protobufLines = lines<ProtobufRecord | ProtobufCallRecord>('protobuf')
const msgpackLines = lines<MsgpackRecord | MsgpackCallRecord>('msgpack')

export const protobufRecords = protobufLines.filter((line): line is ProtobufRecord => 'method' in line)
export const protobufCalls = protobufLines.filter((line): line is ProtobufCallRecord => 'rpc' in line)
export const msgpackRecords = msgpackLines.filter((line): line is MsgpackRecord => 'method' in line)
export const connectionRecords = lines<ConnectionRecord>('connections')
export const msgpackCalls = msgpackLines.filter((line): line is MsgpackCallRecord => 'rpc' in line)

/** The same calls in the response phase. */
export const responseProtobufRecords = lines<ProtobufRecord>('protobuf', 'kong-response')
export const responseMsgpackRecords = lines<MsgpackRecord>('msgpack', 'kong-response')

type Wrapped = Readonly<Record<string, unknown>>

/** `{stringValue: "x"}` → `"x"`, as a `google.protobuf.Value` means it. */
export function unwrap(value: unknown): unknown {
  const wrapped = value as Wrapped
  if ('nullValue' in wrapped) return null
  if ('listValue' in wrapped) return ((wrapped.listValue as Wrapped).values as unknown[]).map(unwrap)
  if ('structValue' in wrapped) return unwrapFields(wrapped.structValue as Wrapped)
  return wrapped.stringValue ?? wrapped.numberValue ?? wrapped.boolValue
}

export function unwrapFields(struct: Wrapped): Record<string, unknown> {
  const fields = (struct.fields ?? {}) as Wrapped
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, unwrap(value)]))
}

const buffer = (value: unknown): Buffer => Buffer.from((value as { data: number[] }).data)

/** The recorded message of a call's arguments as the list of them. */
export function argumentsOf({ method, args }: ProtobufRecord): unknown[] {
  if (method.startsWith('kong.log.') && 'values' in args) return (args.values as unknown[]).map(unwrap)
  if ('fields' in args) return [unwrapFields(args)]
  if ('k' in args) return [args.k, unwrap(args.v)]
  if ('host' in args) return [args.host, args.port]
  if ('status' in args) return [args.status, buffer(args.body), unwrapFields(args.headers as Wrapped)]
  if ('consumer' in args) return [args.consumer, args.credential]
  if ('byUsername' in args) return [args.id, args.byUsername]
  if (!('v' in args)) return []
  return [typeof args.v === 'object' ? buffer(args.v) : args.v]
}
