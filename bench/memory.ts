/**
 * Memory over ten million events, through the codec and the runtime of one process, without sockets:
 * `node --expose-gc dist/bench/memory.js [events]`; about two minutes. Heap after a collection, every tenth of the way.
 */
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { createRegistry } from '../plugin-server/runtime/registry.ts'
import { createRuntime } from '../plugin-server/runtime/runtime.ts'
import { ProtobufConnection } from '../plugin-server/transport/protobuf-connection.ts'
import { writeRpcCall } from '../protocol/rpc.ts'
import { TYPES } from '../protocol/types.ts'
import { WireWriter } from '../protocol/wire.ts'
import { definePlugin, type Host, Type } from '../sdk/sdk.ts'

const EVENTS = Number(process.argv[2] ?? 10_000_000)
const LANES = 16
const STEPS = 10

const plugin = definePlugin({
  name: 'two-calls',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: {
    async access(kong) {
      const consumer = await kong.client.getConsumer()
      kong.response.setHeaders({ 'x-consumer': consumer?.username ?? 'none' })
    },
  },
})

function frame(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter()
  const mark = writer.openFrame()
  write(writer)
  writer.closeFrame(mark)
  return writer.take()
}

const log = createLogger('silent')
const metrics = createMetrics()
const registry = createRegistry([plugin], () => ({ clock: systemClock, log, metrics }) as unknown as Host)
const runtime = createRuntime({ registry, clock: systemClock, log, metrics })
const { id } = await runtime.handler.startInstance('two-calls', '{}')
const begin = frame(w =>
  writeRpcCall(w, { kind: 'handle_event', sequence: 3, instanceId: id, phase: 'access' }),
)
const consumer = frame(w => TYPES.Consumer.write(w, [{ id: 'c-1', username: 'eddie', tags: ['gold'] }]))
const nothing = frame(() => {})

const link = {
  write: () => true,
  writeAll: () => {},
  destroy: () => {},
  end: () => {},
  closeIfWritten: () => {},
}
const lanes = Array.from({ length: LANES }, () => new ProtobufConnection(link, runtime.handler, 1 << 20))
const turn = () => new Promise(resolve => setImmediate(resolve))
for (let step = 0; step <= STEPS; step++) {
  for (let done = 0; step > 0 && done < EVENTS / STEPS; done += LANES) {
    for (const lane of lanes) lane.push(begin)
    await turn()
    for (const lane of lanes) lane.push(consumer)
    await turn()
    // Kong's answers to the header writes that went out with the ends.
    for (const lane of lanes) lane.push(nothing)
  }
  globalThis.gc?.()
  const { heapUsed, rss, arrayBuffers } = process.memoryUsage()
  const mb = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MB`
  const count = Math.round((EVENTS / STEPS) * step)
  process.stdout.write(`${count} events: heap ${mb(heapUsed)}, buffers ${mb(arrayBuffers)}, RSS ${mb(rss)}\n`)
}
runtime.close()
