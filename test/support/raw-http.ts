import { connect } from 'node:net'

export interface RawConnection {
  write(text: string | Uint8Array): boolean
  /** Bytes that the kernel has not taken yet. */
  readonly buffered: number
  /** All that came so far. */
  readonly received: string
  /** Resolves when what came satisfies `done`, or rejects when the connection ends before. */
  until(done: (received: string) => boolean): Promise<string>
  /** Resolves with all that came when the other side has closed. */
  readonly closed: Promise<string>
  pause(): void
  resume(): void
  destroy(): void
}

/** A TCP connection on which a test writes bytes that no client library would. */
export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let received = ''
  const watchers = new Set<() => void>()
  let ended = false
  socket.on('data', chunk => {
    received += chunk.toString('latin1')
    for (const watch of watchers) watch()
  })
  socket.on('error', () => {})
  const closed = new Promise<string>(resolve => {
    socket.once('close', () => {
      ended = true
      for (const watch of watchers) watch()
      resolve(received)
    })
  })
  return {
    write: text => socket.write(text),
    get buffered() {
      return socket.writableLength
    },
    get received() {
      return received
    },
    until: done =>
      new Promise((resolve, reject) => {
        const watch = () => {
          if (done(received)) resolve(received)
          else if (ended)
            reject(new Error(`the connection ended after ${JSON.stringify(received.slice(-300))}`))
          else return
          watchers.delete(watch)
        }
        watchers.add(watch)
        watch()
      }),
    closed,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.destroy(),
  }
}
