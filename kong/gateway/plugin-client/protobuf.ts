import type { Socket } from 'node:net'
import { messageOf } from '../../../foundation/errors.ts'
import { FrameSplitter } from '../../../protocol/frames.ts'
import { type RpcCall, type RpcReturn, readRpcReturn, writeRpcCall } from '../../../protocol/rpc.ts'
import { WireReader, WireWriter } from '../../../protocol/wire.ts'
import { Nil, type PdkEvent, type PdkHost, type PdkMethod } from '../pdk/call.ts'
import { answerCall, ENDING_METHODS, PDK_METHODS } from '../pdk/pdk.ts'
import { type BodyFile, writeBodyFile } from './body-file.ts'
import { ConnectionPool, type SocketUser } from './connections.ts'
import { ENDED, type EventOutcome, EXITED, type PluginProtocol, type ProtocolOptions } from './protocol.ts'
import { readArguments, type Signature, signatureOf, writeReply } from './replies.ts'

const MAX_FRAME_BYTES = 1 << 30

type CallEnd = EventOutcome | { readonly kind: 'returned'; readonly answer: RpcReturn }
/** What the next frame is. */
type Expected = 'nothing' | 'method' | 'arguments' | 'return'

interface KnownMethod extends Signature {
  readonly name: string
  readonly pdk: PdkMethod
}

/** One connection of Kong's in ProtoBuf:1: a call at a time, and the whole of an event. */
class ProtobufConnection implements SocketUser {
  readonly #socket: Socket
  readonly #host: PdkHost
  readonly #known: Map<string, KnownMethod>
  readonly #splitter = new FrameSplitter(MAX_FRAME_BYTES)
  readonly #writer = new WireWriter()
  #expected: Expected = 'nothing'
  #method: KnownMethod | undefined
  #event: PdkEvent | undefined
  #end: ((end: CallEnd) => void) | undefined
  readonly #files: BodyFile[] = []
  /** Frames that came while an answer was still being made. */
  #held: Buffer[] | undefined

  constructor(socket: Socket, host: PdkHost, known: Map<string, KnownMethod>) {
    this.#socket = socket
    this.#host = host
    this.#known = known
  }

  call(call: RpcCall, event?: PdkEvent): Promise<CallEnd> {
    return new Promise(resolve => {
      this.#end = resolve
      this.#event = event
      this.#expected = event ? 'method' : 'return'
      const mark = this.#writer.openFrame()
      writeRpcCall(this.#writer, call)
      this.#writer.closeFrame(mark)
      this.#flush()
    })
  }

  data(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk, (bytes, start, end) => {
        if (this.#held) this.#held.push(Buffer.from(bytes.subarray(start, end)))
        else this.#take(bytes, start, end)
        return this.#end !== undefined
      })
    } catch (error) {
      this.#settle({ kind: 'raised', error: messageOf(error) })
    }
    this.#flush()
  }

  lost(error: string): void {
    this.#settle({ kind: 'failed', error })
  }

  #take(bytes: Buffer, start: number, end: number): void {
    switch (this.#expected) {
      case 'method':
        if (start === end) this.#expected = 'return'
        else this.#takeMethod(bytes.toString('latin1', start, end))
        return
      case 'arguments':
        this.#expected = 'method'
        this.#answer(this.#method!, new WireReader(bytes, start, end))
        return
      case 'return':
        this.#expected = 'nothing'
        this.#settle({ kind: 'returned', answer: readRpcReturn(new WireReader(bytes, start, end)) })
        return
      case 'nothing':
        this.#settle({ kind: 'failed', error: 'a frame that nobody waits for' })
    }
  }

  #takeMethod(name: string): void {
    this.#expected = 'arguments'
    this.#method = this.#known.get(name)
    if (this.#method) return
    const signature = signatureOf(name)
    const pdk = PDK_METHODS.get(name)
    if (signature && pdk) {
      this.#method = { ...signature, name, pdk }
      this.#known.set(name, this.#method)
    } else this.#settle({ kind: 'failed', error: `method "${name}" not found` })
  }

  #answer(method: KnownMethod, reader: WireReader): void {
    try {
      const args = readArguments(method, reader)
      const answer = answerCall(method.pdk, this.#event!, this.#host, args)
      if (ENDING_METHODS.has(method.name)) this.#settle(EXITED)
      else if (answer instanceof Promise) void this.#answerLater(method, answer)
      else this.#reply(method, answer)
    } catch (error) {
      this.#settle({ kind: 'raised', error: messageOf(error) })
    }
  }

  async #answerLater(method: KnownMethod, answer: Promise<unknown>): Promise<void> {
    const held: Buffer[] = []
    this.#held = held
    try {
      const value = await answer
      this.#reply(
        method,
        method.output === 'RawBodyResult' && value instanceof Nil ? await this.#spill() : value,
      )
    } catch (error) {
      this.#settle({ kind: 'raised', error: messageOf(error) })
    }
    this.#held = undefined
    for (const frame of held) {
      if (!this.#end) break
      // One of them may be waiting again.
      if (this.#held) (this.#held as Buffer[]).push(frame)
      else this.#take(frame, 0, frame.length)
    }
    this.#flush()
  }

  async #spill(): Promise<BodyFile> {
    const body = await this.#event!.exchange.body.whole(Number.POSITIVE_INFINITY)
    const file = await writeBodyFile(body!)
    this.#files.push(file)
    return file
  }

  #reply(method: KnownMethod, answer: unknown): void {
    const mark = this.#writer.openFrame()
    writeReply(this.#writer, method, answer)
    this.#writer.closeFrame(mark)
  }

  #flush(): void {
    if (this.#writer.length > 0) this.#socket.write(this.#writer.take())
  }

  #settle(end: CallEnd): void {
    const settle = this.#end
    this.#end = undefined
    this.#event = undefined
    this.#expected = 'nothing'
    for (const file of this.#files.splice(0)) void file.remove()
    settle?.(end)
  }
}

/** Kong's side of ProtoBuf:1 for one plugin. */
export function createProtobufProtocol({
  plugin,
  socketPath,
  patienceMs,
  host,
}: ProtocolOptions): PluginProtocol {
  const known = new Map<string, KnownMethod>()
  const pool = new ConnectionPool(
    socketPath,
    patienceMs,
    socket => new ProtobufConnection(socket, host, known),
  )
  let sequence = 1

  async function call(rpc: RpcCall, event?: PdkEvent): Promise<CallEnd> {
    const connection = pool.take()
    const end = await connection.call(rpc, event)
    if (end.kind === 'returned') pool.giveBack(connection)
    // Kong never reads from it again, and closes it with the request, which ends now.
    else if (end.kind === 'exited') setImmediate(() => pool.drop(connection))
    else pool.drop(connection)
    return end
  }

  return {
    failsClosed: true,
    isRepeated: error => /no plugin instance|closed/i.test(error),
    async startInstance(config) {
      const end = await call({ kind: 'start_instance', sequence: ++sequence, name: plugin, config })
      if (end.kind === 'returned' && end.answer.status) return end.answer.status.id
      throw new Error('error' in end ? end.error : 'the plugin server gave no instance')
    },
    async closeInstance(instanceId) {
      await call({ kind: 'close_instance', sequence: ++sequence, instanceId })
    },
    async handleEvent(instanceId, event) {
      const end = await call(
        { kind: 'handle_event', sequence: ++sequence, instanceId, phase: event.phase },
        event,
      )
      return end.kind === 'returned' ? ENDED : end
    },
    close: () => pool.close(),
  }
}
