import { type Stats, statSync } from 'node:fs'
import { connect } from 'node:net'
import { messageOf } from '../../foundation/errors.ts'
import { type Account, findAccount, foldersAbove, judgeFolder, judgeWay, readMode } from './access.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** Who may connect, and whether a server listens. */
export const checkSocket: Check = async ({ settings, kongUser }) => {
  const { socket, socketGroup } = settings
  // sun_path holds 108 bytes, the last of them a NUL.
  if (Buffer.byteLength(socket) > 107)
    return [
      fail(
        'socket',
        `${socket} is longer than the 107 bytes of a socket path`,
        'Choose a shorter SLUICE_SOCKET.',
      ),
    ]
  let stats: Stats
  try {
    stats = statSync(socket)
  } catch (error) {
    return [notThere(socket, error)]
  }
  if (!stats.isSocket())
    return [
      fail('socket', `${socket} is not a socket`, 'Move the file away, or choose another SLUICE_SOCKET.'),
    ]
  const listening = await knock(socket).then(
    () => ok('socket', `a server listens at ${socket}`),
    (error: unknown) =>
      fail('socket', `no server answers at ${socket}: ${messageOf(error)}`, 'Start it: sluice serve'),
  )
  const rights = judgeRights(stats.mode, socketGroup)
  return [rights, listening, ...(await judgePath(socket, stats, { kongUser, socketGroup }))]
}

function notThere(socket: string, error: unknown): Finding {
  if ((error as NodeJS.ErrnoException).code === 'EACCES')
    return fail('socket', `this user may not look at ${socket}`, 'Run the doctor as the user of the server.')
  return fail(
    'socket',
    `there is nothing at ${socket}`,
    'Start the plugin server (sluice serve), or give --socket the path that it was started with.',
  )
}

export function judgeRights(mode: number, group: string | undefined): Finding {
  const shown = readMode(mode)
  if (mode & 0o007)
    return fail('socket rights', `mode ${shown}: every user may answer for your plugins`, 'Set it to 0660.')
  if (!(mode & 0o060))
    return warn(
      'socket rights',
      `mode ${shown}: only its owner may connect`,
      'Set SLUICE_SOCKET_GROUP to a group of Kong’s user.',
    )
  return ok('socket rights', `mode ${shown}${group === undefined ? '' : `, group ${group}`}`)
}

interface Expected {
  readonly kongUser: string | undefined
  readonly socketGroup: string | undefined
}

/** Whether Kong's user reaches the socket through the folders above it. */
async function judgePath(
  socket: string,
  stats: Stats,
  { kongUser, socketGroup }: Expected,
): Promise<Finding[]> {
  const folders = foldersAbove(socket)
  const [parent] = folders
  const writable = parent ? judgeFolder(parent) : undefined
  const account: Account | undefined = kongUser === undefined ? undefined : await findAccount(kongUser)
  if (kongUser !== undefined && !account)
    return [
      fail('socket folder', `there is no user ${kongUser}`, 'Give --kong-user the user of Kong’s workers.'),
    ]
  const way = judgeWay({ folders, socket, stats, account, hasGroup: socketGroup !== undefined })
  return [...(writable ? [writable] : []), way]
}

function knock(socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve()
    })
    connection.once('error', reject)
    connection.setTimeout(2000, () => connection.destroy(new Error('no answer in 2 s')))
  })
}
