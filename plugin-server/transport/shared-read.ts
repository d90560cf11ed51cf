/**
 * Reads many sockets into one buffer. Node gives each read a buffer of 64 KiB of its own and hands it on through a
 * stream, which takes a third of the time that an event needs; `onread` of `net.Socket` avoids both, but is offered for
 * outgoing connections only. So an accepted connection's handle is given to a socket that was made with it: before Node
 * has made one itself, where it shows the handle, else after.
 */
import net, { type Server, Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'

/** What Node itself reads and writes a connection by. Not documented, but the same in all of its versions from 12 on. */
export interface Handle {
  useUserBuffer(buffer: Uint8Array): void
  close(): void
}

interface Handled {
  _handle: Partial<Handle> | null
}

interface Listening {
  _handle: { onconnection?: (error: number, handle: Partial<Handle>) => void } | null
}

export type Take = (chunk: Buffer) => void

const isHandle = (handle: Partial<Handle> | null | undefined): handle is Handle =>
  typeof handle?.useUserBuffer === 'function'

/**
 * Gives the connections of a listening server to `accept` before Node makes a socket of each. Those whose handle Node
 * does not show come by the server's event `connection`, as all do otherwise.
 */
export function takeHandles(server: Server, accept: (handle: Handle) => void): void {
  const { _handle: listening } = server as unknown as Listening
  const makeSocket = listening?.onconnection
  if (typeof makeSocket !== 'function') return
  listening!.onconnection = function (error, handle) {
    if (isHandle(handle)) accept(handle)
    else makeSocket.call(this, error, handle)
  }
}

interface BoundHandle {
  readonly fd: number
  close(): void
}

type CreateServerHandle = (path: string, port: -1, addressType: -1) => BoundHandle | number

/**
 * Binds a unix socket without listening on it, which Node does for its own cluster's workers only: a server that listens
 * also accepts, and there must be nobody who accepts for others.
 *
 * @throws the system's error.
 */
export function bindOnly(path: string): BoundHandle {
  const create = Reflect.get(net, '_createServerHandle') as CreateServerHandle
  const handle = create(path, -1, -1)
  if (typeof handle === 'number') throw new Error(getSystemErrorName(handle))
  return handle
}

/**
 * @param buffer shared by all sockets: a chunk is `take`'s only until it returns.
 * @returns the socket to use from now on; an accepted one itself where this Node can't do it.
 */
export function readInto(buffer: Buffer, accepted: Socket | Handle, take: Take): Socket {
  const handled = accepted instanceof Socket ? (accepted as unknown as Handled) : undefined
  const handle = handled ? handled._handle : (accepted as Handle)
  if (!isHandle(handle)) return (accepted as Socket).on('data', take)
  if (handled) handled._handle = null
  const options = {
    handle,
    onread: {
      buffer,
      callback: (count: number): boolean => {
        take(buffer.subarray(0, count))
        return true
      },
    },
    // As a socket sets them itself. In Node 20 each one that it has to add costs as much as reading an event.
    allowHalfOpen: false,
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
  }
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
}
