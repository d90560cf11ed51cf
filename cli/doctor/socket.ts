import { type Stats, statSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { messageOf } from '../../foundation/errors.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** Who may connect, and whether somebody listens. */
export const checkSocket: Check = async ({ settings }) => {
  const { socket } = settings
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
  } catch {
    return [fail('socket', `there is nothing at ${socket}`, 'Start the plugin server: sluice serve')]
  }
  if (!stats.isSocket())
    return [fail('socket', `${socket} is no socket`, 'Move the file away, or choose another SLUICE_SOCKET.')]
  const rights = judgeRights(stats.mode, settings.socketGroup)
  try {
    await knock(socket)
    return [rights, ok('socket', `a server listens at ${socket}`), judgeFolder(path.dirname(socket))]
  } catch (error) {
    return [
      rights,
      fail('socket', `nobody answers at ${socket}: ${messageOf(error)}`, 'Start it: sluice serve'),
    ]
  }
}

export function judgeRights(mode: number, group: string | undefined): Finding {
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
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

function judgeFolder(folder: string): Finding {
  const mode = statSync(folder).mode & 0o777
  if (mode & 0o002)
    return fail(
      'socket folder',
      `${folder} may be written by everybody, who could put another socket there`,
      `chmod o-w ${folder}`,
    )
  return ok('socket folder', `${folder} has mode ${mode.toString(8).padStart(4, '0')}`)
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
