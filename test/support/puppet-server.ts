import { chmodSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { FrameSplitter } from '../../protocol/frames.ts'
import { METHODS, type Method } from '../../protocol/pdk/table.ts'
import { readRpcCall, writeRpcReturn } from '../../protocol/rpc.ts'
import { TYPES } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

export type PuppetCall = readonly [method: Method, ...args: unknown[]]

export interface PuppetServer {
  /** What each event does: these calls, one after the other. */
  script: readonly PuppetCall[]
  /** What the events of a phase do instead. */
  byPhase: Readonly<Partial<Record<string, readonly PuppetCall[]>>>
  /** The phases of all events so far. */
  readonly events: readonly string[]
  /** Kong's replies to the calls of the last event, decoded; fewer than calls where Kong ended the event. */
  readonly replies: readonly unknown[]
  /** The same by the phase of the event. */
  readonly repliesByPhase: Readonly<Partial<Record<string, readonly unknown[]>>>
  close(): Promise<void>
}

/** A plugin server that says over ProtoBuf:1 whatever a test wants it to, right or wrong. */
export async function startPuppetServer(socketPath: string): Promise<PuppetServer> {
  const sockets = new Set<Socket>()
  const puppet = {
    script: [] as readonly PuppetCall[],
    byPhase: {} as PuppetServer['byPhase'],
    events: [] as string[],
    replies: [] as unknown[],
    repliesByPhase: {} as Record<string, readonly unknown[]>,
  }

  const server = createServer(socket => {
    const splitter = new FrameSplitter(1 << 24)
    let event: { readonly sequence: number; readonly calls: PuppetCall[] } | undefined
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const send = (write: (writer: WireWriter) => void) => {
      const writer = new WireWriter()
      const mark = writer.openFrame()
      write(writer)
      writer.closeFrame(mark)
      socket.write(writer.take())
    }
    const next = () => {
      const call = event!.calls[0]
      if (call) {
        const [method, ...args] = call
        send(writer => writer.text(method))
        send(writer => TYPES[METHODS[method]![0]].write(writer, args))
        return
      }
      const { sequence } = event!
      event = undefined
      send(() => {})
      send(writer => writeRpcReturn(writer, { sequence }))
    }
    socket.on('data', chunk =>
      splitter.push(chunk, (bytes, start, end) => {
        const reader = new WireReader(Buffer.from(bytes.subarray(start, end)))
        if (event) {
          const [method] = event.calls.shift()!
          puppet.replies.push(TYPES[METHODS[method]![1]].read(reader)[0] ?? null)
          next()
          return true
        }
        const call = readRpcCall(reader)
        const { sequence } = call
        if (call.kind === 'handle_event') {
          puppet.events.push(call.phase)
          event = { sequence, calls: [...(puppet.byPhase[call.phase] ?? puppet.script)] }
          puppet.replies = puppet.repliesByPhase[call.phase] = []
          next()
        } else
          send(writer =>
            writeRpcReturn(writer, { sequence, status: { name: 'puppet', id: 7, startedAt: 1 } }),
          )
        return true
      }),
    )
  })
  await new Promise<void>(resolve => server.listen(socketPath, resolve))
  chmodSync(socketPath, 0o666)
  return Object.assign(puppet, {
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  })
}
