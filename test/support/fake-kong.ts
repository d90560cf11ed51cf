/**
 * Kong's side of ProtoBuf:1 and MsgPack:1, over a real socket: what a test, or a benchmark, drives a plugin server
 * with. It answers PDK calls from a script and records them.
 */
import { connect, type Socket } from 'node:net'
import { Packr, Unpackr } from 'msgpackr'
import { FrameSplitter } from '../../protocol/frames.ts'
import { MsgpackStream } from '../../protocol/msgpack-stream.ts'
import { METHODS, type Method } from '../../protocol/pdk/table.ts'
import { type RpcCall, type RpcReturn, readRpcReturn, writeRpcCall } from '../../protocol/rpc.ts'
import { TYPES } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

export interface PdkCall {
  readonly method: string
  readonly args: readonly unknown[]
}

/** What Kong answers to a call; HANG: it never does. */
export type Script = (call: PdkCall) => unknown
export const HANG = Symbol('no answer')

export interface EventResult {
  readonly calls: readonly PdkCall[]
  /** `ended` by the server, `exited` by `kong.response.exit`, `closed` by the server's closing the connection. */
  readonly outcome: 'ended' | 'exited' | 'closed' | 'error'
  /** The arguments of the exit. */
  readonly exit?: readonly unknown[]
  /** MsgPack's error answer. */
  readonly error?: string
}

export interface KongConnection {
  /** False once either side has closed it. */
  readonly open: boolean
  startInstance(name: string, config: unknown): Promise<number>
  closeInstance(id: number): Promise<void>
  /** The promise is also kept when the connection closes. */
  event(instanceId: number, phase: string, script?: Script): Promise<EventResult>
  close(): void
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

type Frames = (bytes: Buffer) => void

/** One pooled connection of Kong's, ProtoBuf:1. */
export async function connectProtobuf(path: string): Promise<KongConnection> {
  const socket = await dial(path)
  const splitter = new FrameSplitter(1 << 30)
  let take: Frames = () => {}
  let closed: () => void = () => {}
  let sequence = 1
  socket.on('error', () => {})
  socket.on('data', chunk =>
    splitter.push(chunk, (bytes, start, end) => {
      take(bytes.subarray(start, end))
      return true
    }),
  )
  socket.on('close', () => closed())

  const send = (write: (writer: WireWriter) => void) => {
    const writer = new WireWriter()
    const mark = writer.openFrame()
    write(writer)
    writer.closeFrame(mark)
    socket.write(writer.take())
  }
  const rpc = (call: RpcCall): Promise<RpcReturn> =>
    new Promise((resolve, reject) => {
      take = bytes => resolve(readRpcReturn(new WireReader(bytes)))
      closed = () => reject(new Error('closed'))
      send(writer => writeRpcCall(writer, call))
    })

  return {
    get open() {
      return !socket.destroyed && socket.readyState === 'open'
    },
    async startInstance(name, config) {
      const json = JSON.stringify(config)
      const answer = await rpc({ kind: 'start_instance', sequence: sequence++, name, config: json })
      return answer.status!.id
    },
    async closeInstance(instanceId) {
      await rpc({ kind: 'close_instance', sequence: sequence++, instanceId })
    },
    event: (instanceId, phase, script = () => undefined) =>
      new Promise(resolve => {
        const calls: PdkCall[] = []
        let method: Method | undefined
        let ending = false
        take = bytes => {
          if (ending) {
            resolve({ calls, outcome: 'ended' })
          } else if (method === undefined) {
            if (bytes.length === 0) ending = true
            else method = bytes.toString() as Method
          } else {
            const [input, output] = METHODS[method]!
            const args = TYPES[input].read(new WireReader(Buffer.from(bytes)))
            const call = { method, args }
            method = undefined
            calls.push(call)
            if (call.method === 'kong.response.exit') {
              // Kong's coroutine is gone, and its connection with it.
              socket.destroy()
              resolve({ calls, outcome: 'exited', exit: args })
              return
            }
            const reply = script(call)
            if (reply === HANG) return
            send(writer => {
              if (reply !== undefined) TYPES[output].write(writer, [reply])
            })
          }
        }
        closed = () => resolve({ calls, outcome: 'closed' })
        send(writer =>
          writeRpcCall(writer, { kind: 'handle_event', sequence: sequence++, instanceId, phase }),
        )
      }),
    close: () => socket.destroy(),
  }
}

const STEPS: Readonly<Record<string, string>> = {
  'kong.client.get_credential': 'StepCredential',
  'kong.client.load_consumer': 'StepConsumer',
  'kong.client.get_consumer': 'StepConsumer',
  'kong.client.authenticate': 'StepCredential',
  'kong.node.get_memory_stats': 'StepMemoryStats',
  'kong.router.get_route': 'StepRoute',
  'kong.router.get_service': 'StepService',
  'kong.request.get_query': 'StepMultiMap',
  'kong.request.get_headers': 'StepMultiMap',
  'kong.response.get_headers': 'StepMultiMap',
  'kong.service.response.get_headers': 'StepMultiMap',
}

/** Two pooled connections of Kong's, MsgPack:1: the steps of an event hop from one to the other. */
export async function connectMsgpack(path: string): Promise<KongConnection> {
  const packr = new Packr({ useRecords: false })
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
  const lines = await Promise.all([dial(path), dial(path)])
  const takers: ((answer: unknown[]) => void)[] = [() => {}, () => {}]
  let turn = 0
  let id = 0
  for (const [index, socket] of lines.entries()) {
    const stream = new MsgpackStream(1 << 30)
    socket.on('error', () => {})
    socket.on('data', chunk =>
      stream.push(chunk, bytes => {
        takers[index]!(unpackr.unpack(bytes) as unknown[])
        return true
      }),
    )
    socket.on('close', () => takers[index]!([1, 0, 'closed', null]))
  }
  const call = (method: string, argument: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const index = turn++ % lines.length
      if (lines[index]!.readyState !== 'open') return reject(new Error('closed'))
      takers[index] = ([, , error, result]) => (error ? reject(new Error(String(error))) : resolve(result))
      lines[index]!.write(packr.pack([0, ++id, `plugin.${method}`, [argument]]))
    })

  return {
    get open() {
      return lines.every(socket => socket.readyState === 'open')
    },
    async startInstance(name, config) {
      const status = (await call('StartInstance', { Name: name, Config: JSON.stringify(config) })) as {
        Id: number
      }
      return status.Id
    },
    async closeInstance(instanceId) {
      await call('CloseInstance', instanceId)
    },
    async event(instanceId, phase, script = () => undefined) {
      const calls: PdkCall[] = []
      try {
        let step = (await call('HandleEvent', { InstanceId: instanceId, EventName: phase })) as MsgpackStep
        while (step.Data !== 'ret') {
          const { Method: method, Args: args } = step.Data
          calls.push({ method, args })
          if (method === 'kong.response.exit') return { calls, outcome: 'exited', exit: args }
          const reply = script({ method, args })
          if (reply === HANG) await new Promise(() => {})
          const data = reply === undefined ? {} : { Data: reply }
          step = (await call(STEPS[method] ?? 'Step', { EventId: step.EventId, ...data })) as MsgpackStep
        }
        return { calls, outcome: 'ended' }
      } catch (error) {
        const { message } = error as Error
        return message === 'closed'
          ? { calls, outcome: 'closed' }
          : { calls, outcome: 'error', error: message }
      }
    },
    close() {
      for (const socket of lines) socket.destroy()
    },
  }
}

interface MsgpackStep {
  readonly EventId: number
  readonly Data: 'ret' | { readonly Method: string; readonly Args: readonly unknown[] }
}
