import type { Socket } from 'node:net'
import { Unpackr } from 'msgpackr'
import { messageOf } from '../../../foundation/errors.ts'
import { MsgpackStream } from '../../../protocol/msgpack-stream.ts'
import type { SocketUser } from './connections.ts'
import { pack } from './pack.ts'

const MAX_MESSAGE_BYTES = 1 << 30

/** How a call ended: with an answer, with the plugin server's own error, or with a failure on the way. */
export type CallEnd =
  | { readonly kind: 'answered'; readonly result: unknown }
  | { readonly kind: 'refused' | 'failed'; readonly error: string }

const REQUEST = 0
const RESPONSE = 1
const NOTIFICATION = 2

/** One connection of Kong's in MsgPack:1: a call and its answer at a time, of any event. */
export class MsgpackConnection implements SocketUser {
  readonly #socket: Socket
  readonly #notify: (label: string, argument: unknown) => void
  readonly #stream = new MsgpackStream(MAX_MESSAGE_BYTES)
  readonly #unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
  #id = 0
  #end: ((end: CallEnd) => void) | undefined

  constructor(socket: Socket, notify: (label: string, argument: unknown) => void) {
    this.#socket = socket
    this.#notify = notify
  }

  call(id: number, method: string, argument: unknown): Promise<CallEnd> {
    return new Promise(resolve => {
      this.#id = id
      this.#end = resolve
      this.#socket.write(pack([REQUEST, id, `plugin.${method}`, [argument]]))
    })
  }

  data(chunk: Buffer): void {
    try {
      this.#stream.push(chunk, bytes => {
        this.#take(this.#unpackr.unpack(bytes) as unknown[])
        return true
      })
    } catch (error) {
      this.#settle({ kind: 'failed', error: messageOf(error) })
    }
  }

  lost(error: string): void {
    // Kong's reader only learns that nothing came.
    this.#settle({ kind: 'failed', error: error === 'closed' || error === 'timeout' ? 'no data' : error })
  }

  #take([type, id, error, result]: unknown[]): void {
    if (type === NOTIFICATION) this.#notify(String(id), error)
    else if (type !== RESPONSE || id !== this.#id)
      this.#settle({ kind: 'failed', error: 'unexpected RPC response ID from Go plugin server' })
    else if (error !== null && error !== undefined) this.#settle({ kind: 'refused', error: String(error) })
    else this.#settle({ kind: 'answered', result })
  }

  #settle(end: CallEnd): void {
    const settle = this.#end
    this.#end = undefined
    settle?.(end)
  }
}
