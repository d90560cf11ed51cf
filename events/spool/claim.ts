import { mkdir, readdir, rename, rm, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import path from 'node:path'
import { SluiceError } from '../../foundation/errors.ts'
import { syncFolder } from './segment.ts'

/**
 * Who owns which spool.
 *
 * `<spool>/<writer>/` is the spool of a running process, which listens on the socket `<spool>/<writer>.lock`: as long
 * as a connection to it is accepted, the process lives, also when it is stopped or in another container. Once it is
 * refused, whoever first renames the folder to `<writer>.by-<other>` owns it; if that one dies too, it is renamed
 * again. A rename either happens or fails, so a spool never has two owners.
 */
const FOLDER = /^([0-9a-f]{16})(?:\.by-([0-9a-f]{16}))?$/

/** Longest path of a unix socket on Linux and macOS, its final zero left out. */
const MAX_SOCKET_PATH = 103

export interface Claim {
  readonly folder: string
  release(): Promise<void>
}

/** Makes the folder of a new writer and holds it. */
export async function claimSpool(spoolDir: string, writer: string): Promise<Claim> {
  const lock = lockPath(spoolDir, writer)
  if (Buffer.byteLength(lock) > MAX_SOCKET_PATH)
    throw new SluiceError(
      'SLUICE_SPOOL_FAILED',
      `the path ${spoolDir} is too long: its lock ${lock} is a unix socket`,
    )
  let release = async () => {}
  try {
    await mkdir(spoolDir, { recursive: true, mode: 0o700 })
    // First the lock, then the folder: a folder without a lock counts as abandoned.
    const server = await listen(lock)
    release = () => new Promise(resolve => server.close(() => resolve()))
    const folder = path.join(spoolDir, writer)
    await mkdir(folder, { mode: 0o700 })
    await syncFolder(spoolDir)
    return { folder, release }
  } catch (error) {
    await release()
    throw spoolFailed(spoolDir, error)
  }
}

export const spoolFailed = (spoolDir: string, cause: unknown): SluiceError =>
  new SluiceError('SLUICE_SPOOL_FAILED', `cannot make a spool in ${spoolDir}: ${String(cause)}`, { cause })

/**
 * Takes over every spool whose owner is gone. One that can't be taken over stops no other.
 *
 * @param onFailure is told of each fault; a spool that was renamed nevertheless is among the adopted ones.
 */
export async function adoptSpools(
  spoolDir: string,
  writer: string,
  onFailure: (folder: string, error: unknown) => void,
): Promise<AdoptedSpool[]> {
  const adopted: AdoptedSpool[] = []
  for (const name of await readdir(spoolDir)) {
    const [, origin, heir] = FOLDER.exec(name) ?? []
    const owner = heir ?? origin
    if (!origin || !owner || owner === writer || (await isAlive(lockPath(spoolDir, owner)))) continue
    const folder = path.join(spoolDir, `${origin}.by-${writer}`)
    try {
      await rename(path.join(spoolDir, name), folder)
      adopted.push({ folder, writer: origin })
      await unlink(lockPath(spoolDir, owner)).catch(() => {})
      await syncFolder(spoolDir)
    } catch (error) {
      // ENOENT: another one was faster.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onFailure(path.join(spoolDir, name), error)
    }
  }
  return adopted
}

export interface AdoptedSpool {
  readonly folder: string
  /** The process that wrote it. */
  readonly writer: string
}

/** All spools in a folder, also those of running processes. */
export async function listSpools(spoolDir: string): Promise<(AdoptedSpool & { readonly alive: boolean })[]> {
  const spools = []
  for (const name of await readdir(spoolDir)) {
    const [, origin, heir] = FOLDER.exec(name) ?? []
    if (!origin) continue
    const alive = await isAlive(lockPath(spoolDir, heir ?? origin))
    spools.push({ folder: path.join(spoolDir, name), writer: origin, alive })
  }
  return spools
}

/** Removes a spool that every sink has passed. */
export async function removeSpool(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await syncFolder(path.dirname(folder))
}

const lockPath = (spoolDir: string, writer: string) => path.join(spoolDir, `${writer}.lock`)

function listen(lock: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    // Whatever comes after the start, such as too many open files, ends no process.
    server.on('error', reject)
    // Exclusive: in a worker of Node's cluster the primary would hold the socket.
    server.listen({ path: lock, exclusive: true }, () => resolve(server.unref()))
  })
}

/** Only a refusal proves that nobody listens: an owner that may not be asked counts as alive. */
function isAlive(lock: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(lock)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
