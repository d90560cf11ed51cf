/**
 * Reads many sockets into one buffer. Node gives each read a buffer of 64 KiB of its own and hands it on through a
 * stream, which takes a third of the time that an event needs; `onread` of `net.Socket` avoids both, but is offered for
 * outgoing connections only. So an accepted socket's handle is given to a socket that was made with it.
 */
import { Socket } from 'node:net'

/** Not documented, but the way in which Node itself joins the two, in all of its versions from 12 on. */
interface Handled {
  _handle: { useUserBuffer?: unknown } | null
}

export type Take = (chunk: Buffer) => void

/**
 * @param buffer shared by all sockets: a chunk is `take`'s only until it returns.
 * @returns the socket to use instead of the accepted one; the same where this Node can't do it.
 */
export function readInto(buffer: Buffer, accepted: Socket, take: Take): Socket {
  const { _handle: handle } = accepted as unknown as Handled
  if (typeof handle?.useUserBuffer !== 'function') return accepted.on('data', take)
  const options = {
    handle,
    onread: {
      buffer,
      callback: (count: number): boolean => {
        take(buffer.subarray(0, count))
        return true
      },
    },
  }
  ;(accepted as unknown as Handled)._handle = null
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
}
