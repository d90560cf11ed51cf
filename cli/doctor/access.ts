/** Whether a user may go down a path to a socket, by the rights of each folder. */
import { execFile } from 'node:child_process'
import { type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Finding, fail, ok, warn } from './check.ts'

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gids: readonly number[]
}

export interface Folder {
  readonly path: string
  readonly stats: Pick<Stats, 'mode' | 'uid' | 'gid'>
}

export interface Way {
  /** The folders above the socket, the nearest first. */
  readonly folders: readonly Folder[]
  readonly socket: string
  readonly stats: Pick<Stats, 'mode' | 'uid' | 'gid'>
  /** Kong's user; undefined: not known. */
  readonly account: Account | undefined
  /** The socket belongs to a group that was chosen for Kong's user. */
  readonly hasGroup: boolean
}

export const readMode = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0')

/** The user's ids by `id`, which asks every source of users that the machine has. */
export async function findAccount(name: string): Promise<Account | undefined> {
  const id = async (flag: string) => (await promisify(execFile)('id', [flag, '--', name])).stdout.trim()
  try {
    const [uid, gids] = await Promise.all([id('-u'), id('-G')])
    return { name, uid: Number(uid), gids: gids.split(' ').map(Number) }
  } catch {
    return undefined
  }
}

export function foldersAbove(file: string): readonly Folder[] {
  const folders: Folder[] = []
  for (let at = path.dirname(path.resolve(file)); ; at = path.dirname(at)) {
    folders.push({ path: at, stats: statSync(at) })
    if (at === path.dirname(at)) return folders
  }
}

/** A folder in which everybody may write is no place for a socket. */
export function judgeFolder({ path: folder, stats }: Folder): Finding {
  if ((stats.mode & 0o002) !== 0 && (stats.mode & 0o1000) === 0)
    return fail(
      'socket folder',
      `${folder} may be written by everybody, who could put another socket there`,
      `chmod o-w ${folder}`,
    )
  return ok('socket folder', `${folder} has mode ${readMode(stats.mode)}`)
}

const SEARCH = 0o1
const WRITE = 0o2

/** Whether Kong's user may enter every folder and connect. */
export function judgeWay(way: Way): Finding {
  return way.account ? judgeAccount(way, way.account) : judgeUnknown(way)
}

function judgeAccount({ folders, socket, stats }: Way, account: Account): Finding {
  const closed = folders.find(folder => !may(account, folder.stats, SEARCH))
  if (closed)
    return fail(
      'socket path',
      `user ${account.name} may not enter ${closed.path} (mode ${readMode(closed.stats.mode)})`,
      `Let it in: chgrp a group of ${account.name} and chmod g+x ${closed.path}, or choose another folder for SLUICE_SOCKET.`,
    )
  if (!may(account, stats, WRITE))
    return fail(
      'socket path',
      `user ${account.name} may not connect to ${socket} (mode ${readMode(stats.mode)})`,
      `Set SLUICE_SOCKET_GROUP to a group of ${account.name}.`,
    )
  return ok('socket path', `user ${account.name} may connect`)
}

/** Without Kong's user: a folder that keeps out all but its owner keeps out Kong, unless Kong runs as that owner. */
function judgeUnknown({ folders, stats, hasGroup }: Way): Finding {
  const admits = ({ stats: folder }: Folder) =>
    (folder.mode & SEARCH) !== 0 || (hasGroup && folder.gid === stats.gid && (folder.mode & 0o010) !== 0)
  const closed = folders.find(folder => !admits(folder))
  if (!closed) return ok('socket path', 'the folders above it let Kong’s user in')
  const message = `${closed.path} has mode ${readMode(closed.stats.mode)}: a Kong that runs as another user cannot enter it`
  const remedy = `Give the folder to the group of SLUICE_SOCKET_GROUP with g+x; \`--kong-user NAME\` checks it for Kong’s user.`
  // A group was chosen so that Kong may connect: then the folder is a mistake.
  return hasGroup ? fail('socket path', message, remedy) : warn('socket path', message, remedy)
}

function may({ uid, gids }: Account, { mode, ...owner }: Folder['stats'], right: number): boolean {
  if (uid === 0) return true
  if (uid === owner.uid) return (mode & (right << 6)) !== 0
  if (gids.includes(owner.gid)) return (mode & (right << 3)) !== 0
  return (mode & right) !== 0
}
