import { connect, type Socket } from 'node:net'

/** How long Kong keeps an idle connection, and how long it waits for an answer. */
export const PATIENCE_MS = 60_000

/** Events of a connection's socket. */
export interface SocketUser {
  data(chunk: Buffer): void
  /** The connection is of no use any more. `error` in the words of nginx: `closed`, `timeout`, `connection refused`. */
  lost(error: string): void
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  // The peer does not read to its end what it is sent: Kong repeats no such event.
  EPIPE: 'broken pipe',
  ECONNRESET: 'connection reset by peer',
}

/** The connections of Kong to one socket: opened on demand, kept for a minute, the last used one first. */
export class ConnectionPool<C extends SocketUser> {
  readonly #path: string
  readonly #patienceMs: number
  readonly #create: (socket: Socket) => C
  readonly #idle: C[] = []
  readonly #sockets = new Map<C, Socket>()

  constructor(path: string, patienceMs: number, create: (socket: Socket) => C) {
    this.#path = path
    this.#patienceMs = patienceMs
    this.#create = create
  }

  get size(): number {
    return this.#sockets.size
  }

  /** A connection for one call. It may turn out later that it can't be opened. */
  take(): C {
    return this.#idle.pop() ?? this.#open()
  }

  giveBack(connection: C): void {
    if (this.#sockets.has(connection)) this.#idle.push(connection)
  }

  /** Kong drops the connection: its conversation can't be resumed. */
  drop(connection: C): void {
    this.#sockets.get(connection)?.destroy()
    this.#forget(connection)
  }

  close(): void {
    for (const connection of [...this.#sockets.keys()]) {
      this.drop(connection)
      connection.lost('closed')
    }
  }

  #open(): C {
    const socket = connect(this.#path)
    const connection = this.#create(socket)
    this.#sockets.set(connection, socket)
    let failure = 'closed'
    const lose = (error: string) => {
      this.#forget(connection)
      socket.destroy()
      connection.lost(error)
    }
    socket.setTimeout(this.#patienceMs, () => lose('timeout'))
    socket.on('data', chunk => connection.data(chunk))
    socket.on('end', () => lose('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      failure = WORDS[error.code ?? ''] ?? 'closed'
    })
    socket.on('close', () => lose(failure))
    return connection
  }

  #forget(connection: C): void {
    this.#sockets.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
  }
}
