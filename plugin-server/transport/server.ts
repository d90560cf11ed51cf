/** Accepts Kong's connections and keeps their count. */
import { Socket } from 'node:net'
import type { Logger } from '../../foundation/log.ts'
import type { CallHandler } from '../../protocol/calls.ts'
import { Connection, type ConnectionParts, type MsgpackParts } from './connection.ts'
import { type Listener, listen } from './listener.ts'
import { Roster } from './roster.ts'
import type { Handle } from './shared-read.ts'

/** Kong's largest request body in a frame, and room for what is around it. */
export const DEFAULT_MAX_FRAME_BYTES = 64 * 1024 * 1024

const READ_BYTES = 65_536
/** Far more than Kong's workers keep; a peer that opens more is broken. */
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
  accept(connection: Socket | Handle): void
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

export function createAcceptor(options: AcceptorOptions): Acceptor {
  const { handler, log } = options
  const connections = new Roster<Connection>()
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
  const parts: ConnectionParts = {
    handler,
    log,
    maxFrameBytes: options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES,
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    msgpack:
      options.msgpack === false
        ? undefined
        : () => {
            msgpack ??= loadMsgpack()
            return msgpack
          },
  }

  return {
    get connections() {
      return connections.size
    },
    accept(accepted) {
      // Not the server's own maxConnections: it does not see all that are accepted, and counts others for ever.
      if (connections.size >= MAX_CONNECTIONS) {
        log.error({ connections: connections.size }, 'too many connections: closed the newest')
        if (accepted instanceof Socket) accepted.destroy()
        else accepted.close()
        return
      }
      connections.add(new Connection(accepted, parts, connection => connections.delete(connection)))
    },
    async close() {
      clearInterval(sweeping)
      await Promise.all(connections.all().map(connection => connection.close()))
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
    acceptHandle: handle => acceptor.accept(handle),
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
