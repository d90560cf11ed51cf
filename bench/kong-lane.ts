/** Kong's side of one connection, as cheap as it can be: the client must not be what a benchmark measures. */
import { connect, type Socket } from 'node:net'
import { Packr, Unpackr } from 'msgpackr'
import { readRpcReturn, writeRpcCall } from '../protocol/rpc.ts'
import { TYPES, type TypeName } from '../protocol/types.ts'
import { WireReader, WireWriter } from '../protocol/wire.ts'

/** The event was ended by the server, or answered by `kong.response.exit`. */
export type Outcome = 'ended' | 'rejected'

export interface KongLane {
  startInstance(name: string, config: unknown): Promise<number>
  /**
   * A rejection costs a ProtoBuf lane: Kong never reads from that connection again, and closes it.
   *
   * @throws when the server closes the connection.
   */
  event(instanceId: number, phase: string): Promise<Outcome>
  close(): void
}

const consumer = {
  id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8',
  username: 'eddie',
  tags: ['gold'],
  createdAt: 1795188387,
}
const service = {
  id: 'e50bbf27-838a-428e-a1bf-fa6b8ef07ddc',
  name: 'pr',
  host: '127.0.0.1',
  port: 19000,
  protocol: 'http',
}
const route = {
  id: 'd0c0c2ca-5eb6-4e1c-932f-a59cb777932e',
  name: 'pr',
  protocols: ['http', 'https'],
  paths: ['/pr'],
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

export function frame(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter()
  const mark = writer.openFrame()
  write(writer)
  writer.closeFrame(mark)
  return writer.take()
}
export const replyOf = (type: TypeName, value: unknown): Buffer =>
  frame(writer => TYPES[type].write(writer, [value]))

/** By the method's name in latin1, which is how it is compared. */
const PROTOBUF_REPLIES: Readonly<Record<string, Buffer>> = {
  'kong.client.get_consumer': replyOf('Consumer', consumer),
  'kong.client.get_credential': replyOf('AuthenticatedCredential', {
    id: '80a61457-175c-4fac-a75f-0c90d84b873f',
  }),
  'kong.router.get_service': replyOf('Service', service),
  'kong.router.get_route': replyOf('Route', route),
  'kong.request.get_method': replyOf('String', 'GET'),
  'kong.request.get_path': replyOf('String', '/pr/sub'),
}
const EXIT = 'kong.response.exit'
const NOTHING = frame(() => {})

/** @param answer makes the reply to a call; undefined for what it does not know */
export async function openProtobufLane(
  path: string,
  answer: (method: string) => Buffer | undefined = () => undefined,
): Promise<KongLane> {
  const socket = await dial(path)
  let sequence = 1
  let rest: Buffer = Buffer.alloc(0)
  let started: ((id: number) => void) | undefined
  let ended: (outcome: Outcome) => void = () => {}
  let failed: (error: Error) => void = () => {}
  /** The next frame: a method's name, its arguments, or what follows the empty frame. */
  let state: 'method' | 'arguments' | 'return' = 'method'
  let method = ''
  socket.on('error', error => failed(error))
  socket.on('close', () => failed(new Error('closed')))
  socket.on('data', chunk => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32LE(at)
      if (bytes.length - at - 4 < length) break
      const start = at + 4
      at = start + length
      if (started) {
        const take = started
        started = undefined
        take(readRpcReturn(new WireReader(bytes, start, at)).status!.id)
      } else if (state === 'return') {
        state = 'method'
        ended('ended')
      } else if (state === 'arguments') {
        state = 'method'
        if (method === EXIT) {
          socket.destroy()
          return ended('rejected')
        }
        socket.write(answer(method) ?? PROTOBUF_REPLIES[method] ?? NOTHING)
      } else if (length === 0) state = 'return'
      else {
        method = bytes.toString('latin1', start, at)
        state = 'arguments'
      }
    }
    rest = bytes.subarray(at)
  })
  return {
    startInstance: (name, config) =>
      new Promise(resolve => {
        started = resolve
        const json = JSON.stringify(config)
        socket.write(
          frame(w => writeRpcCall(w, { kind: 'start_instance', sequence: sequence++, name, config: json })),
        )
      }),
    event: (instanceId, phase) =>
      new Promise((resolve, reject) => {
        ended = resolve
        failed = reject
        socket.write(
          frame(w => writeRpcCall(w, { kind: 'handle_event', sequence: sequence++, instanceId, phase })),
        )
      }),
    close: () => socket.destroy(),
  }
}

const MSGPACK_REPLIES: Readonly<Record<string, readonly [step: string, data?: unknown]>> = {
  'kong.client.get_consumer': ['plugin.StepConsumer', consumer],
  'kong.client.get_credential': ['plugin.StepCredential', { id: '80a61457-175c-4fac-a75f-0c90d84b873f' }],
  'kong.router.get_service': ['plugin.StepService', service],
  'kong.router.get_route': ['plugin.StepRoute', route],
  'kong.request.get_method': ['plugin.Step', 'GET'],
  'kong.request.get_path': ['plugin.Step', '/pr/sub'],
}

interface Step {
  readonly EventId: number
  readonly Data: 'ret' | { readonly Method: string }
}

export async function openMsgpackLane(path: string): Promise<KongLane> {
  const socket = await dial(path)
  const packr = new Packr({ useRecords: false })
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
  let id = 0
  let take: (result: unknown) => void = () => {}
  const call = (method: string, argument: unknown) => socket.write(packr.pack([0, ++id, method, [argument]]))
  let failed: (error: Error) => void = () => {}
  socket.on('error', error => failed(error))
  socket.on('close', () => failed(new Error('closed')))
  // Answers are small and one at a time, so each comes in one chunk; a notification may stand before it.
  socket.on('data', chunk => {
    for (const message of unpackr.unpackMultiple(chunk) as unknown[][]) {
      if (message[0] !== 1) continue
      if (message[2]) throw new Error(String(message[2]))
      take(message[3])
    }
  })
  return {
    startInstance: (name, config) =>
      new Promise(resolve => {
        take = result => resolve((result as { Id: number }).Id)
        call('plugin.StartInstance', { Name: name, Config: JSON.stringify(config) })
      }),
    event: (instanceId, phase) =>
      new Promise((resolve, reject) => {
        failed = reject
        take = result => {
          const { EventId, Data } = result as Step
          if (Data === 'ret') return resolve('ended')
          if (Data.Method === EXIT) return resolve('rejected')
          const [step, data] = MSGPACK_REPLIES[Data.Method] ?? ['plugin.Step']
          call(step, data === undefined ? { EventId } : { EventId, Data: data })
        }
        call('plugin.HandleEvent', { InstanceId: instanceId, EventName: phase })
      }),
    close: () => socket.destroy(),
  }
}
