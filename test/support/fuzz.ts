/**
 * Mutated frames against a whole runtime, without sockets: whatever a peer sends, only its own connection may end.
 * Used by a short test and by the long run of `bench/fuzz.ts`.
 */
import { Packr } from 'msgpackr'
import { systemClock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { createRegistry } from '../../plugin-server/runtime/registry.ts'
import { createRuntime } from '../../plugin-server/runtime/runtime.ts'
import {
  createMsgpackCodec,
  MsgpackConnection,
  MsgpackEvents,
} from '../../plugin-server/transport/msgpack-connection.ts'
import { ProtobufConnection } from '../../plugin-server/transport/protobuf-connection.ts'
import { writeRpcCall } from '../../protocol/rpc.ts'
import { TYPES } from '../../protocol/types.ts'
import { WireWriter } from '../../protocol/wire.ts'
import { definePlugin, type Host, Type } from '../../sdk/sdk.ts'

export interface FuzzResult {
  readonly frames: number
  /** Connections that ended for a frame that made no sense. */
  readonly refused: number
  /** Errors other than a refusal: there must be none. */
  readonly crashes: readonly unknown[]
  /** Events that an untouched connection had answered, and how many it had sent. */
  readonly served: number
  readonly sent: number
}

const asker = definePlugin({
  name: 'asker',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({ limits: Type.Array(Type.Integer({ minimum: 1 }), { default: [1] }) }),
  phases: {
    async access(kong) {
      const consumer = await kong.client.getConsumer()
      const headers = await kong.request.getHeaders()
      const query = await kong.request.getQuery()
      kong.response.setHeaders({
        'x-c': consumer?.username ?? '',
        'x-n': Object.keys({ ...headers, ...query }).length,
      })
    },
  },
})

/** xorshift32: the same seed gives the same run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function frame(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter()
  const mark = writer.openFrame()
  write(writer)
  writer.closeFrame(mark)
  return writer.take()
}

export async function fuzz(options: { frames: number; seed: number }): Promise<FuzzResult> {
  const { frames, seed } = options
  const random = randomFrom(seed)
  const log = createLogger('silent')
  const metrics = createMetrics()
  const host = { node: 'fuzz', clock: systemClock, random: Math.random, log, metrics } as unknown as Host
  const registry = createRegistry([asker], () => host)
  const runtime = createRuntime({ registry, clock: systemClock, log, metrics })
  const { id } = await runtime.handler.startInstance('asker', '{}')
  const events = new MsgpackEvents(1)
  const codec = createMsgpackCodec()
  const packr = new Packr({ useRecords: false })

  const consumer = { id: 'c-1', username: 'eddie', tags: ['gold'], createdAt: 5 }
  const protobuf = [
    frame(w => writeRpcCall(w, { kind: 'handle_event', sequence: 7, instanceId: id, phase: 'access' })),
    frame(w => TYPES.Consumer.write(w, [consumer])),
    frame(w => TYPES.Struct.write(w, [{ a: 'b', c: ['d', 'e'], f: { g: 1, h: null } }])),
    frame(w => TYPES.Struct.write(w, [{ a: true }])),
    frame(() => {}),
    frame(w =>
      writeRpcCall(w, { kind: 'start_instance', sequence: 8, name: 'asker', config: '{"limits":[3]}' }),
    ),
    frame(w => writeRpcCall(w, { kind: 'close_instance', sequence: 9, instanceId: 12 })),
    frame(w => writeRpcCall(w, { kind: 'plugin_info', sequence: 10, name: 'asker' })),
  ]
  const msgpack = [
    [0, 1, 'plugin.HandleEvent', [{ InstanceId: id, EventName: 'access' }]],
    [0, 2, 'plugin.StepConsumer', [{ EventId: 1, Data: { id: 'c', username: 'eddie', custom_id: null } }]],
    [0, 3, 'plugin.StepMultiMap', [{ EventId: 2, Data: { host: ['a'], 'x-multi': ['1', '2'] } }]],
    [0, 4, 'plugin.StepError', [{ EventId: 3, Data: 'no' }]],
    [0, 5, 'plugin.StartInstance', [{ Name: 'asker', Config: '{}' }]],
    [0, 6, 'plugin.CloseInstance', [5]],
  ].map(message => Buffer.from(packr.pack(message)))

  let connectionGone = false
  const link = {
    write: () => true,
    writeAll: () => {},
    destroy: () => {
      connectionGone = true
    },
    end: () => {},
    closeIfWritten: () => {},
  }
  const connectProtobuf = () => new ProtobufConnection(link, runtime.handler, 1 << 20)
  const connectMsgpack = () =>
    new MsgpackConnection(link, runtime.handler, { events, codec, maxMessageBytes: 1 << 20 })

  /** An untouched connection beside the mangled ones. */
  let answers = 0
  const good = new ProtobufConnection(
    {
      write: bytes => {
        // The end of an event: an empty frame, then the RpcReturn.
        if (bytes.includes(Buffer.of(0, 0, 0, 0, 2, 0, 0, 0))) answers++
        return true
      },
      writeAll: () => {},
      destroy: () => crashes.push(new Error('the untouched connection was closed')),
      end: () => {},
      closeIfWritten: () => {},
    },
    runtime.handler,
    1 << 20,
  )
  const crashes: unknown[] = []
  const onRejection = (reason: unknown) => crashes.push(reason)
  process.on('unhandledRejection', onRejection)
  let refused = 0
  let sent = 0
  const speakers = [
    { corpus: protobuf, connect: connectProtobuf, current: connectProtobuf() },
    { corpus: msgpack, connect: connectMsgpack, current: connectMsgpack() },
  ]
  try {
    for (let count = 0; count < frames; count++) {
      const speaker = speakers[count % 2]!
      const bytes = mutate(speaker.corpus[random(speaker.corpus.length)]!, random)
      try {
        speaker.current.push(bytes)
      } catch (error) {
        if (error instanceof SluiceError && error.code === 'SLUICE_PROTOCOL_FRAME') refused++
        else crashes.push(error)
        connectionGone = true
      }
      if (connectionGone || random(50) === 0) {
        speaker.current.closed()
        speaker.current = speaker.connect()
        connectionGone = false
      }
      if (count % 1000 === 999) {
        await new Promise(resolve => setImmediate(resolve))
        sent++
        for (const step of protobuf.slice(0, 4)) {
          good.push(step)
          await new Promise(resolve => setImmediate(resolve))
        }
        // Kong's answer to the header write that goes out with the end.
        good.push(protobuf[4]!)
      }
    }
    await new Promise(resolve => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', onRejection)
    runtime.close()
  }
  return { frames, refused, crashes, served: answers, sent }
}

/** Changes some bytes, or cuts, doubles, grows or joins; some frames stay as they are, to get into the states behind them. */
function mutate(original: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(original)
  const kind = random(8)
  if (kind === 0 || bytes.length === 0) return bytes
  if (kind === 1) return bytes.subarray(0, random(bytes.length))
  if (kind === 2) return Buffer.concat([bytes, bytes])
  if (kind === 3) {
    const at = random(bytes.length)
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from([random(256), random(256)]),
      bytes.subarray(at),
    ])
  }
  // Behind the length, so that the message itself is what is wrong.
  const from = kind < 6 ? Math.min(4, bytes.length - 1) : 0
  for (let flips = 1 + random(4); flips > 0; flips--) bytes[from + random(bytes.length - from)] = random(256)
  return bytes
}
