/** One of Kong's connections. Its first bytes decide which protocol it speaks. */
import type { Socket } from 'node:net'
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { CallHandler, Protocol } from '../../protocol/calls.ts'
import type { MsgpackCodec, MsgpackEvents } from './msgpack-connection.ts'
import { type Link, ProtobufConnection } from './protobuf-connection.ts'
import type { Listed } from './roster.ts'
import { type Handle, readInto } from './shared-read.ts'

export interface MsgpackParts {
  readonly module: typeof import('./msgpack-connection.ts')
  readonly events: MsgpackEvents
  readonly codec: MsgpackCodec
}

/** What all connections of a server have in common. */
export interface ConnectionParts {
  readonly handler: CallHandler
  readonly log: Logger
  readonly maxFrameBytes: number
  /** What they are read into. */
  readonly buffer: Buffer
  /** Undefined where MsgPack:1 is not served. */
  readonly msgpack: (() => Promise<MsgpackParts>) | undefined
}

interface Speaker {
  push(chunk: Buffer): void
  closed(): void
}

export class Connection implements Link, Listed {
  place = 0
  readonly #parts: ConnectionParts
  readonly #socket: Socket
  #speaker: Speaker | undefined
  /** What came before there was a speaker. */
  #early: Buffer | undefined
  #awaitsMsgpack = false

  /** @param gone called when it is closed; the accepted socket itself may be replaced by another one. */
  constructor(accepted: Socket | Handle, parts: ConnectionParts, gone: (connection: Connection) => void) {
    this.#parts = parts
    this.#socket = readInto(parts.buffer, accepted, chunk => this.#take(chunk))
      .on('error', error => parts.log.debug({ reason: error.message }, 'connection failed'))
      // Kong never closes one direction only: nobody would read what could still be written.
      .on('end', () => this.destroy())
      .on('close', () => {
        this.#speaker?.closed()
        gone(this)
      })
  }

  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    return this.#socket.writableLength === 0
  }

  writeAll(chunks: readonly Uint8Array[]): void {
    this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk)
    this.#socket.uncork()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  end(): void {
    this.#socket.end()
  }

  closeIfWritten(): void {
    if (this.#socket.writableLength === 0) this.destroy()
  }

  /** Resolves when it is closed. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#socket.once('close', () => resolve())
      this.destroy()
    })
  }

  #take(chunk: Buffer): void {
    if (this.#speaker) this.#feed(this.#speaker, chunk)
    else this.#begin(this.#early ? Buffer.concat([this.#early, chunk]) : chunk)
  }

  #feed(speaker: Speaker, chunk: Buffer): void {
    try {
      speaker.push(chunk)
    } catch (error) {
      this.#parts.log.warn({ reason: messageOf(error) }, 'closed a connection: protocol error')
      this.destroy()
    }
  }

  /** @param first all that has come so far. */
  #begin(first: Buffer): void {
    const protocol = this.#awaitsMsgpack ? 'MsgPack:1' : detect(first)
    if (protocol === 'ProtoBuf:1') {
      const { handler, maxFrameBytes } = this.#parts
      this.#speaker = new ProtobufConnection(this, handler, maxFrameBytes)
      this.#feed(this.#speaker, first)
      return
    }
    // A copy, since the buffer is everybody's.
    this.#early = Buffer.from(first)
    if (protocol === undefined || this.#awaitsMsgpack) return
    this.#awaitsMsgpack = true
    this.#beginMsgpack()
  }

  #beginMsgpack(): void {
    const { msgpack, log, handler, maxFrameBytes } = this.#parts
    if (!msgpack) {
      log.error('MsgPack:1 is not supported with --workers: dump with --protocol ProtoBuf:1')
      this.destroy()
      return
    }
    msgpack().then(
      ({ module, events, codec }) => {
        const connection = new module.MsgpackConnection(this, handler, {
          events,
          codec,
          maxMessageBytes: maxFrameBytes,
        })
        // Its stream keeps the chunk until the value is whole.
        this.#speaker = {
          push: chunk => connection.push(Buffer.from(chunk)),
          closed: () => connection.closed(),
        }
        this.#feed(this.#speaker, this.#early!)
      },
      () => this.destroy(),
    )
  }
}

/**
 * Tells the protocols apart by a connection's first bytes. MsgPack's call is a list of four (0x94) that begins with
 * the type 0, a message id and a string "plugin.…". In ProtoBuf the same bytes would be a length.
 *
 * @returns undefined while too few bytes have come.
 */
export function detect(first: Buffer): Protocol | undefined {
  if (first.length === 0) return undefined
  if (first[0] !== 0x94) return 'ProtoBuf:1'
  // A frame of ProtoBuf whose length begins with this byte has at least 148 bytes.
  if (first.length < 24) return undefined
  return first.subarray(0, 24).includes('plugin.') && first[1] === 0 ? 'MsgPack:1' : 'ProtoBuf:1'
}
