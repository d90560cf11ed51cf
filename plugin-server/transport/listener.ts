/**
 * The unix socket. It is bound at a private name and renamed over its path, so that a successor can take the path
 * over while this server still serves: Node's `server.close()` unlinks the name that it bound, which is then not the
 * path any more (docs/protocol.md, "Replacing a server under load").
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { type Handle, takeHandles } from './shared-read.ts'

/** An exit costs Kong its connection, so a storm of rejections is a storm of connects; 511 is Node's default. */
const BACKLOG = 4096

/** What `sun_path` holds, less its closing zero (unix(7)). */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

export interface ListenerOptions {
  readonly path: string
  /** Name or number; undefined leaves the group that the folder gives. */
  readonly group: string | undefined
  /** Replace a server that listens there. Without it, a live server is an error. */
  readonly takeOver: boolean
  readonly accept: (socket: Socket) => void
  /** Gets a connection instead of `accept` where Node shows its handle, which spares making a socket of it. */
  readonly acceptHandle?: (handle: Handle) => void
  /** Leave connections unread, to hand them to another process. */
  readonly paused?: boolean
}

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
  const { path: target } = options
  const folder = path.dirname(target)
  const bound = path.join(folder, `.${path.basename(target)}.${process.pid}.${Date.now().toString(36)}`)
  const excess = Buffer.byteLength(bound) - MAX_PATH_BYTES
  if (excess > 0)
    throw new SluiceError(
      'SLUICE_SOCKET_FAILED',
      `${target} is ${excess} bytes too long for a unix socket that is bound beside it and renamed; choose a shorter path`,
    )
  try {
    // Only this user, and the group, may enter a folder that is made here; one that exists keeps its rights.
    const made = mkdirSync(folder, { recursive: true, mode: options.group === undefined ? 0o700 : 0o710 })
    if (made !== undefined && options.group !== undefined) chownSync(folder, -1, groupId(options.group))
  } catch (error) {
    throw failed(`cannot make the folder ${folder}`, error)
  }
  if (!options.takeOver && (await answers(target)))
    throw new SluiceError('SLUICE_SOCKET_IN_USE', `a server listens on ${target}`)

  const server = createServer({ pauseOnConnect: options.paused ?? false }, options.accept)
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(failed(`cannot listen on ${bound}`, error)))
    server.listen({ path: bound, backlog: BACKLOG }, resolve)
  })
  if (options.acceptHandle) takeHandles(server, options.acceptHandle)
  let identity: string
  try {
    if (options.group !== undefined) chownSync(bound, -1, groupId(options.group))
    chmodSync(bound, 0o660)
    identity = identityOf(bound)!
    renameSync(bound, target)
  } catch (error) {
    server.close()
    rmSync(bound, { force: true })
    throw failed(`cannot put the socket at ${target}`, error)
  }
  const current = () => identityOf(target) === identity
  return {
    current,
    close() {
      if (current()) rmSync(target, { force: true })
      server.close()
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
