/**
 * One connection of ProtoBuf:1.
 *
 * Kong has at most one call under way on a connection. During an event the direction turns round: the server calls,
 * Kong replies in order, and a zero-length frame with the RpcReturn behind it ends the event. Replies to calls that
 * were written together with the end arrive behind it, before Kong's next call.
 */

import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { CallHandler, EventListener, Exchange, ReplySink } from '../../protocol/calls.ts'
import { FrameSplitter } from '../../protocol/frames.ts'
import type { Wire } from '../../protocol/pdk/row.ts'
import { METHODS, type Method } from '../../protocol/pdk/table.ts'
import { type RpcCall, type RpcReturn, readRpcCall, writeRpcReturn } from '../../protocol/rpc.ts'
import { TYPES, type TypeCodec } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

export interface Link {
  /** @returns whether all that was written has left this process; if not, these bytes may not change until it has. */
  write(bytes: Buffer): boolean
  /** Writes all in one go; none of them may change until it is written. */
  writeAll(chunks: readonly Uint8Array[]): void
  /** Closes at once; Kong reads "closed" and repeats an event elsewhere. */
  destroy(): void
  /** Closes behind what was written. */
  end(): void
  /** Closes now if all that was written has left this process; else the peer has to. */
  closeIfWritten(): void
}

/** A reply that Kong still owes. An exit's may never come: Kong leaves the connection instead. */
interface Owed {
  readonly codec: TypeCodec
  readonly sink: ReplySink | undefined
  readonly optional: boolean
}

const NOTHING = Buffer.alloc(0)

/**
 * Of connections that have nothing to write. A buffer of its own for each answer of some kilobytes would make V8 collect
 * its whole heap once a second, which costs as much as the answers themselves.
 */
const idleWriters: WireWriter[] = []
const MOST_IDLE = 32

const GONE = 'Kong closed the connection'

interface Encoding {
  /** The frame that names the method; it stands before every call. */
  readonly name: Buffer
  readonly input: TypeCodec
  readonly output: TypeCodec
}

/** Of the methods that the protocol has. */
const ENCODINGS: ReadonlyMap<Method, Encoding> = new Map(
  (Object.entries(METHODS) as [Method, Wire][]).flatMap(([method, wire]) =>
    wire ? [[method, { name: nameFrame(method), input: TYPES[wire[0]], output: TYPES[wire[1]] }]] : [],
  ),
)

function nameFrame(method: Method): Buffer {
  const writer = new WireWriter(64)
  const mark = writer.openFrame()
  writer.text(method)
  writer.closeFrame(mark)
  return writer.take()
}

export class ProtobufConnection implements Exchange {
  readonly protocol = 'ProtoBuf:1'
  readonly #link: Link
  readonly #handler: CallHandler
  readonly #frames: FrameSplitter
  readonly #reader = new WireReader(NOTHING)
  /** While there is something to write. */
  #writer: WireWriter | undefined
  readonly #owed: Owed[] = []
  #event: EventListener | undefined
  /** Between HandleEvent and `end`. */
  #inEvent = false
  #sequence = 0
  #closed = false

  constructor(link: Link, handler: CallHandler, maxFrameBytes: number) {
    this.#link = link
    this.#handler = handler
    this.#frames = new FrameSplitter(maxFrameBytes)
  }

  /** @throws SLUICE_PROTOCOL_FRAME; the connection is of no use then. */
  push(chunk: Buffer): void {
    this.#frames.push(chunk, this.#take)
  }

  /** The peer is gone. */
  closed(): void {
    this.#closed = true
    const owed = this.#owed.splice(0)
    const event = this.#event
    this.#event = undefined
    this.#inEvent = false
    event?.abandoned(GONE)
    // Of an event that was ended before its replies had come.
    for (const { sink } of owed) sink?.lost?.(GONE)
  }

  call(method: Method, args: readonly unknown[], sink?: ReplySink): void {
    if (!this.#inEvent) return
    const encoding = ENCODINGS.get(method)
    if (!encoding)
      throw new SluiceError('SLUICE_PDK_PHASE', `${method} does not exist in ProtoBuf:1, only in MsgPack:1`)
    const writer = this.#openWriter()
    const before = writer.length
    try {
      writer.raw(encoding.name)
      const mark = writer.openFrame()
      encoding.input.write(writer, args)
      writer.closeFrame(mark)
    } catch (error) {
      writer.truncate(before)
      throw new SluiceError('SLUICE_PDK_ARGUMENT', `${method}: ${messageOf(error)}`, { cause: error })
    }
    this.#owed.push({ codec: encoding.output, sink, optional: method === 'kong.response.exit' })
  }

  flush(): void {
    const writer = this.#writer
    if (!writer) return
    this.#writer = undefined
    if (!this.#closed) this.#write(writer)
    writer.clear()
    if (idleWriters.length < MOST_IDLE) idleWriters.push(writer)
  }

  end(): void {
    if (!this.#inEvent) return
    this.#inEvent = false
    this.#event = undefined
    const writer = this.#openWriter()
    writer.closeFrame(writer.openFrame())
    this.#answer({ sequence: this.#sequence })
    // Kong reads the exit from what was written, and neither reads nor writes after it: closing first saves the wait for
    // Kong's own close. A call before the exit has a reply, which Kong must be able to write.
    if (this.#owed.length === 1 && this.#owed[0]?.optional) this.#link.closeIfWritten()
  }

  #openWriter(): WireWriter {
    this.#writer ??= idleWriters.pop() ?? new WireWriter()
    return this.#writer
  }

  #write(writer: WireWriter): void {
    if (writer.hasLongValues) this.#link.writeAll(writer.takeChunks())
    else if (writer.length > 0 && !this.#link.write(writer.written)) writer.release()
  }

  readonly #take = (bytes: Buffer, start: number, end: number): boolean => {
    const reader = this.#reader
    reader.bytes = bytes
    reader.position = start
    reader.end = end
    const owed = this.#owed[0]
    if (owed !== undefined && !(owed.optional && end > start)) {
      this.#owed.shift()
      const value = owed.codec.read(reader)[0]
      owed.sink?.reply(end === start ? undefined : value)
    } else {
      if (owed !== undefined) this.#owed.shift()
      if (this.#inEvent) throw new SluiceError('SLUICE_PROTOCOL_FRAME', 'a frame that nothing had asked for')
      this.#serve(readRpcCall(reader))
    }
    return !this.#closed
  }

  #serve(call: RpcCall): void {
    const handler = this.#handler
    const { sequence } = call
    switch (call.kind) {
      case 'handle_event': {
        this.#inEvent = true
        this.#sequence = sequence
        const event = handler.handleEvent(call.instanceId, call.phase, this)
        if (event === undefined) this.#refuse()
        else if (this.#inEvent && sequence === this.#sequence) this.#event = event
        return
      }
      case 'start_instance': {
        handler.startInstance(call.name, call.config).then(
          status => this.#answer({ sequence, status }),
          () => this.#refuse(),
        )
        return
      }
      case 'close_instance': {
        const status = handler.closeInstance(call.instanceId)
        this.#answer(status ? { sequence, status } : { sequence })
        return
      }
      case 'instance_status': {
        const status = handler.instanceStatus(call.instanceId)
        this.#answer(status ? { sequence, status } : { sequence })
        return
      }
      case 'plugin_names':
        this.#answer({ sequence, names: handler.pluginNames() })
        return
      case 'plugin_info': {
        const info = handler.pluginInfo(call.name)
        this.#answer(info ? { sequence, info } : { sequence })
      }
    }
  }

  #answer(answer: RpcReturn): void {
    const writer = this.#openWriter()
    const mark = writer.openFrame()
    writeRpcReturn(writer, answer)
    writer.closeFrame(mark)
    this.flush()
  }

  /** There is no error in this protocol: a call that can't be served ends its connection. */
  #refuse(): void {
    this.#inEvent = false
    this.#closed = true
    this.#link.destroy()
  }
}
