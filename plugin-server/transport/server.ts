/** Accepts Kong's connections, finds out which protocol each speaks, and keeps their count. */
import type { Socket } from 'node:net'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observe/log.ts'
import type { CallHandler, Protocol } from './calls.ts'
import { type Listener, listen } from './listener.ts'
import type { MsgpackCodec, MsgpackEvents } from './msgpack-connection.ts'
import { type Link, ProtobufConnection } from './protobuf-connection.ts'
import { readInto } from './shared-read.ts'

/** Kong's largest request body in a frame, and room for what is around it. */
export const DEFAULT_MAX_FRAME_BYTES = 64 * 1024 * 1024

const READ_BYTES = 65_536
/** Far more than Kong's workers keep; a peer that opens more has lost its way. */
const MAX_CONNECTIONS = 32_768
/** Longer than Kong waits for anything. */
const SWEEP_EVERY_MS = 60_000

export interface AcceptorOptions {
  readonly handler: CallHandler
  readonly log: Logger
  /** A first id for MsgPack's events, random. */
  readonly firstEventId: number
  readonly maxFrameBytes?: number
  /** False with several workers: in MsgPack an event goes on over any connection of Kong's, so over any worker. */
  readonly msgpack?: boolean
}

/** Serves connections, wherever they come from. */
export interface Acceptor {
  /** Open connections. */
  readonly connections: number
  /** @param closed told when the connection is gone; the socket itself may be replaced by another one. */
  accept(socket: Socket, closed?: () => void): void
  /** Ends every connection, and resolves when they are gone. */
  close(): Promise<void>
}

export interface SocketServerOptions extends AcceptorOptions {
  readonly path: string
  readonly group: string | undefined
  readonly takeOver: boolean
}

export interface SocketServer {
  /** Open connections. */
  readonly connections: number
  /** False once a successor has taken the path over. */
  current(): boolean
  /** Stops accepting; open connections are served on. */
  stopAccepting(): void
  /** Ends every connection, and resolves when they are gone. */
  close(): Promise<void>
}

interface Speaker {
  push(chunk: Buffer): void
  closed(): void
}

export function createAcceptor(options: AcceptorOptions): Acceptor {
  const { handler, log } = options
  const maxBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES
  const sockets = new Set<Socket>()
  // Loaded when the first connection speaks it: most servers never need MessagePack.
  let msgpack: Promise<MsgpackParts> | undefined
  let sweeping: NodeJS.Timeout | undefined
  const loadMsgpack = async (): Promise<MsgpackParts> => {
    const module = await import('./msgpack-connection.ts')
    const events = new module.MsgpackEvents(options.firstEventId)
    const codec = module.createMsgpackCodec()
    sweeping = setInterval(() => events.sweep(), SWEEP_EVERY_MS)
    sweeping.unref()
    return { module, events, codec }
  }

  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)

  const accept = (accepted: Socket, closed?: () => void) => {
    // Not the server's own maxConnections: it counts sockets that readInto has replaced as open for ever.
    if (sockets.size >= MAX_CONNECTIONS) {
      log.error({ connections: sockets.size }, 'too many connections; the newest is closed')
      accepted.destroy()
      closed?.()
      return
    }
    let speaker: Speaker | undefined
    /** What came before there was a speaker; copied, since the buffer is everybody's. */
    let early: Buffer = Buffer.alloc(0)
    let protocol: Protocol | undefined

    const feed = (chunk: Buffer) => {
      try {
        speaker!.push(chunk)
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'closed a connection that does not speak the protocol')
        socket.destroy()
      }
    }
    const begin = (chunk: Buffer) => {
      early = Buffer.concat([early, chunk])
      // MsgPack's speaker is being loaded.
      if (protocol !== undefined) return
      protocol = detect(early)
      if (protocol === 'ProtoBuf:1') {
        speaker = new ProtobufConnection(link, handler, maxBytes)
        feed(early)
      } else if (protocol === 'MsgPack:1') beginMsgpack()
    }
    const beginMsgpack = () => {
      if (options.msgpack === false) {
        log.error(
          'a connection speaks MsgPack:1, which needs a server without --workers; let Kong use ProtoBuf:1',
        )
        socket.destroy()
        return
      }
      msgpack ??= loadMsgpack()
      msgpack.then(
        ({ module, events, codec }) => {
          const connection = new module.MsgpackConnection(link, handler, events, codec, maxBytes)
          // Its stream keeps the chunk until the value is whole.
          speaker = { push: chunk => connection.push(Buffer.from(chunk)), closed: () => connection.closed() }
          feed(early)
        },
        () => socket.destroy(),
      )
    }

    const socket = readInto(buffer, accepted, chunk => {
      if (speaker) feed(chunk)
      else begin(chunk)
    })
    const link: Link = {
      write: bytes => socket.write(bytes),
      destroy: () => socket.destroy(),
      end: () => socket.end(),
    }
    sockets.add(socket)
    socket.on('error', error => log.debug({ reason: error.message }, 'a connection broke'))
    socket.on('close', () => {
      sockets.delete(socket)
      speaker?.closed()
      closed?.()
    })
  }

  return {
    accept,
    get connections() {
      return sockets.size
    },
    async close() {
      clearInterval(sweeping)
      await Promise.all(
        [...sockets].map(
          socket =>
            new Promise<void>(resolve => {
              socket.once('close', resolve)
              socket.destroy()
            }),
        ),
      )
    },
  }
}

export async function createSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const acceptor = createAcceptor(options)
  const { path, group, takeOver } = options
  const listener: Listener = await listen({
    path,
    group,
    takeOver,
    accept: socket => acceptor.accept(socket),
  })
  return {
    get connections() {
      return acceptor.connections
    },
    current: () => listener.current(),
    stopAccepting: () => listener.close(),
    async close() {
      listener.close()
      await acceptor.close()
    },
  }
}

interface MsgpackParts {
  readonly module: typeof import('./msgpack-connection.ts')
  readonly events: MsgpackEvents
  readonly codec: MsgpackCodec
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
