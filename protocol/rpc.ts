/** The envelope of ProtoBuf:1: what Kong calls, and what a server returns. Both directions of both. */
import { SluiceError } from '../foundation/errors.ts'
import type { InstanceStatus, PluginInfo } from './calls.ts'
import type { WireReader, WireWriter } from './wire.ts'

export type RpcCall =
  | { readonly kind: 'plugin_names'; readonly sequence: number }
  | { readonly kind: 'plugin_info'; readonly sequence: number; readonly name: string }
  | {
      readonly kind: 'start_instance'
      readonly sequence: number
      readonly name: string
      readonly config: string
    }
  | { readonly kind: 'instance_status'; readonly sequence: number; readonly instanceId: number }
  | { readonly kind: 'close_instance'; readonly sequence: number; readonly instanceId: number }
  | {
      readonly kind: 'handle_event'
      readonly sequence: number
      readonly instanceId: number
      readonly phase: string
    }

const KINDS = [
  'plugin_names',
  'plugin_info',
  'start_instance',
  'instance_status',
  'close_instance',
  'handle_event',
] as const

/** Field numbers of the calls begin here. */
const FIRST_CALL = 31
const tagOf = (field: number, wire: number) => (field << 3) | wire
const callTag = (kind: (typeof KINDS)[number]) => tagOf(FIRST_CALL + KINDS.indexOf(kind), 2)

/** @throws SLUICE_PROTOCOL_FRAME */
export function readRpcCall(reader: WireReader): RpcCall {
  let sequence = 0
  let kind: (typeof KINDS)[number] | undefined
  let instanceId = 0
  let text = ''
  let config = ''
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === 0x08) {
      sequence = reader.int64()
      continue
    }
    const found = (tag & 7) === 2 ? KINDS[(tag >>> 3) - FIRST_CALL] : undefined
    if (found === undefined) {
      reader.skip(tag)
      continue
    }
    kind = found
    const outer = reader.end
    reader.end = reader.span()
    while (reader.more) {
      const inner = reader.uint32()
      if (inner === 0x08) instanceId = reader.int32()
      else if (inner === 0x0a) text = reader.string()
      else if (inner === 0x12 && kind === 'start_instance') config = reader.string()
      else if (inner === 0x12) text = reader.string()
      else reader.skip(inner)
    }
    reader.end = outer
  }
  switch (kind) {
    case 'handle_event':
      return { kind, sequence, instanceId, phase: text }
    case 'start_instance':
      return { kind, sequence, name: text, config }
    case 'plugin_info':
      return { kind, sequence, name: text }
    case 'plugin_names':
      return { kind, sequence }
    case 'close_instance':
    case 'instance_status':
      return { kind, sequence, instanceId }
    default:
      throw new SluiceError('SLUICE_PROTOCOL_FRAME', 'a call of no known method')
  }
}

/** Writes a call as Kong does, its sequence last. */
export function writeRpcCall(writer: WireWriter, call: RpcCall): void {
  writer.uint32(callTag(call.kind))
  const mark = writer.open()
  if ('instanceId' in call) writer.int32Field(0x08, call.instanceId)
  if ('name' in call) writer.stringField(0x0a, call.name)
  if ('config' in call) writer.stringField(0x12, call.config)
  if ('phase' in call) writer.stringField(0x12, call.phase)
  writer.close(mark)
  writer.int64Field(0x08, call.sequence)
}

export interface RpcReturn {
  readonly sequence: number
  readonly names?: readonly string[]
  readonly info?: PluginInfo
  readonly status?: InstanceStatus
}

export function writeRpcReturn(writer: WireWriter, answer: RpcReturn): void {
  writer.int64Field(0x08, answer.sequence)
  if (answer.names) {
    writer.uint32(tagOf(31, 2))
    const mark = writer.open()
    for (const name of answer.names) writer.stringField(0x0a, name)
    writer.close(mark)
  }
  if (answer.info) {
    const { info } = answer
    writer.uint32(tagOf(32, 2))
    const mark = writer.open()
    writer.stringField(0x0a, info.name)
    writer.int64Field(0x10, info.loadedAt)
    writer.int64Field(0x18, info.loadedAt)
    for (const phase of info.phases) writer.stringField(0x22, phase)
    writer.stringField(0x2a, info.version)
    writer.int32Field(0x30, info.priority)
    writer.stringField(0x3a, info.schema)
    writer.close(mark)
  }
  if (answer.status) {
    writer.uint32(tagOf(33, 2))
    const mark = writer.open()
    writer.stringField(0x0a, answer.status.name)
    writer.int32Field(0x10, answer.status.id)
    writer.int64Field(0x20, answer.status.startedAt)
    writer.close(mark)
  }
}

export function readRpcReturn(reader: WireReader): RpcReturn {
  let sequence = 0
  let names: string[] | undefined
  let info: PluginInfo | undefined
  let status: InstanceStatus | undefined
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === 0x08) sequence = reader.int64()
    else if (tag === tagOf(31, 2)) names = reader.message(readNames)
    else if (tag === tagOf(32, 2)) info = reader.message(readInfo)
    else if (tag === tagOf(33, 2)) status = reader.message(readStatus)
    else reader.skip(tag)
  }
  return { sequence, ...(names && { names }), ...(info && { info }), ...(status && { status }) }
}

function readNames(reader: WireReader): string[] {
  const names: string[] = []
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === 0x0a) names.push(reader.string())
    else reader.skip(tag)
  }
  return names
}

function readInfo(reader: WireReader): PluginInfo {
  const phases: string[] = []
  let [name, version, schema, priority, loadedAt] = ['', '', '', 0, 0]
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === 0x0a) name = reader.string()
    else if (tag === 0x18) loadedAt = reader.int64()
    else if (tag === 0x22) phases.push(reader.string())
    else if (tag === 0x2a) version = reader.string()
    else if (tag === 0x30) priority = reader.int32()
    else if (tag === 0x3a) schema = reader.string()
    else reader.skip(tag)
  }
  return { name, version, priority, phases, schema, loadedAt }
}

function readStatus(reader: WireReader): InstanceStatus {
  let [name, id, startedAt] = ['', 0, 0]
  while (reader.more) {
    const tag = reader.uint32()
    if (tag === 0x0a) name = reader.string()
    else if (tag === 0x10) id = reader.int32()
    else if (tag === 0x20) startedAt = reader.int64()
    else reader.skip(tag)
  }
  return { name, id, startedAt }
}
