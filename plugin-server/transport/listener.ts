/**
 * The unix socket. It is bound at a private name and renamed over its path, so that a successor can take the path
 * over while this server still serves: Node's `server.close()` unlinks the name that it bound, which is then not the
 * path any more (docs/protocol.md, "Replacing a server under load").
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { bindOnly, type Handle, takeHandles } from './shared-read.ts'

/** An exit costs Kong its connection, so a storm of rejections is a storm of connects; 511 is Node's default. */
const BACKLOG = 4096

/** What `sun_path` holds, less its closing zero (unix(7)). */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Where the socket is to be. */
export interface SocketPlace {
  readonly path: string
  /** Name or number; undefined leaves the group that the folder gives. */
  readonly group: string | undefined
  /** Replace a server that listens there. Without it, a live server is an error. */
  readonly takeOver: boolean
}

/** Who gets the connections. */
export interface Accepting {
  readonly accept: (socket: Socket) => void
  /** Gets a connection instead of `accept` where Node shows its handle, which spares making a socket of it. */
  readonly acceptHandle?: (handle: Handle) => void
}

export interface ListenerOptions extends SocketPlace, Accepting {}

export interface Listener {
  /** True while the path leads to this server; false once a successor has renamed its own socket over it. */
  current(): boolean
  /** Stops accepting, and removes the path where it is still this server's. Connections stay open. */
  close(): void
}

/**
 * @throws SLUICE_SOCKET_IN_USE when a server answers at the path and `takeOver` is not set; SLUICE_SOCKET_FAILED for
 * whatever the system refuses.
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const bound = prepareName(options.path, options.group)
  await refuseInUse(options)
  const server = await serve({ path: bound }, options).catch((error: unknown) => {
    throw failed(`cannot listen on ${bound}`, error)
  })
  return publish(bound, options, () => server.close())
}

/** A socket for other processes to accept from; this one holds it, so that it outlives any of them. */
export interface SharedSocket {
  /** For children to inherit, and to give to `acceptFrom`. */
  readonly fd: number
  /**
   * Puts it at its path, once somebody accepts.
   *
   * @throws as `listen`.
   */
  publish(): Promise<Listener>
  /** Leaves nothing behind of one that is not at its path. */
  close(): void
}

/** @throws SLUICE_SOCKET_FAILED */
export function bindShared(place: SocketPlace): SharedSocket {
  const bound = prepareName(place.path, place.group)
  let handle: ReturnType<typeof bindOnly>
  try {
    handle = bindOnly(bound)
    // Somebody will listen there before it is put at its path.
    chmodSync(bound, 0o660)
  } catch (error) {
    throw failed(`cannot bind ${bound}`, error)
  }
  const close = () => handle.close()
  return {
    fd: handle.fd,
    async publish() {
      await refuseInUse(place)
      return publish(bound, place, close)
    },
    close,
  }
}

/** Accepts from a socket that another process has bound. */
export async function acceptFrom(fd: number, accepting: Accepting): Promise<{ close(): void }> {
  const server = await serve({ fd }, accepting)
  return { close: () => void server.close() }
}

async function serve(
  at: ListenOptions & { fd?: number },
  { accept, acceptHandle }: Accepting,
): Promise<Server> {
  const server = createServer(accept)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...at, backlog: BACKLOG }, resolve)
  })
  if (acceptHandle) takeHandles(server, acceptHandle)
  return server
}

/**
 * The private name beside the path, under which a socket is bound first; its folder is made where there is none.
 *
 * @throws SLUICE_SOCKET_FAILED also where the path is that of something else than a socket.
 */
function prepareName(target: string, group: string | undefined): string {
  const folder = path.dirname(target)
  const bound = path.join(
    folder,
    `.${path.basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}`,
  )
  const excess = Buffer.byteLength(bound) - MAX_PATH_BYTES
  if (excess > 0)
    throw new SluiceError(
      'SLUICE_SOCKET_FAILED',
      `${target} is ${excess} bytes too long for a unix socket that is bound beside it and renamed; choose a shorter path`,
    )
  try {
    // Only this user, and the group, may enter a folder that is made here; one that exists keeps its rights.
    const made = mkdirSync(folder, { recursive: true, mode: group === undefined ? 0o700 : 0o710 })
    if (made !== undefined && group !== undefined) chownSync(folder, -1, groupId(group))
  } catch (error) {
    throw failed(`cannot make the folder ${folder}`, error)
  }
  // A rename would put the socket in its place without a word.
  if (statSync(target, { throwIfNoEntry: false })?.isSocket() === false)
    throw new SluiceError(
      'SLUICE_SOCKET_FAILED',
      `${target} exists and is no socket; remove it, or choose another path for the socket`,
    )
  return bound
}

async function refuseInUse({ path: target, takeOver }: SocketPlace): Promise<void> {
  if (!takeOver && (await answers(target)))
    throw new SluiceError('SLUICE_SOCKET_IN_USE', `a server listens on ${target}`)
}

/** Renames the bound socket over the path. */
function publish(bound: string, { path: target, group }: SocketPlace, stop: () => void): Listener {
  let identity: string | undefined
  try {
    if (group !== undefined) chownSync(bound, -1, groupId(group))
    chmodSync(bound, 0o660)
    identity = identityOf(bound)
    renameSync(bound, target)
  } catch (error) {
    stop()
    rmSync(bound, { force: true })
    throw failed(`cannot put the socket at ${target}`, error)
  }
  const current = () => identityOf(target) === identity
  return {
    current,
    close() {
      if (current()) rmSync(target, { force: true })
      stop()
    },
  }
}

/**
 * What stays the same when a file is renamed, and differs from that of its replacement. An inode's number alone does
 * not do: it is given to the successor's socket as soon as the old one is gone.
 */
function identityOf(file: string): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat && `${stat.dev} ${stat.ino} ${stat.mtimeNs}`
}

const failed = (what: string, error: unknown) =>
  new SluiceError('SLUICE_SOCKET_FAILED', `${what}: ${messageOf(error)}`, { cause: error })

/** Whether somebody accepts connections there; a path that a dead server left behind refuses them. */
function answers(target: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(target)
    const settle = (alive: boolean) => {
      probe.destroy()
      resolve(alive)
    }
    probe.setTimeout(2000, () => settle(true))
    probe.once('connect', () => settle(true))
    probe.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK'),
    )
  })
}

function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find(entry => entry.startsWith(`${group}:`))
  if (!line) throw new Error(`there is no group ${JSON.stringify(group)} in /etc/group`)
  return Number(line.split(':')[2])
}
