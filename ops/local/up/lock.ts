import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { SluiceError } from '../../../foundation/errors.ts'
import { platformFolder } from '../folders.ts'

/** What two processes must not do to one platform at once. */
export type Purpose = 'starting' | 'running'

/** It answers at once, unless the machine is busy or the process is stopped. */
const HOLDER_MS = 15_000

/**
 * Takes the lock of this platform until this process ends, in whatever way: it is a socket without a file (Linux's
 * abstract namespace), which the kernel closes with its process, so that none is ever left behind.
 *
 * @throws SluiceError SLUICE_PLATFORM_BUSY that names the process that has it
 */
export async function takeLock(purpose: Purpose): Promise<void> {
  const server = createServer(asking => asking.on('error', () => {}).end(String(process.pid)))
  try {
    await once(server.listen(nameOf(purpose)), 'listening')
    server.unref()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const pid = await lockHolder(purpose)
    throw new SluiceError(
      'SLUICE_PLATFORM_BUSY',
      `another \`make up\`${pid === undefined ? '' : ` (process ${pid})`} is ${purpose} the platform in ${platformFolder()}`,
    )
  }
}

/** The process that has the lock; undefined when none has it, or when it does not say. */
export async function lockHolder(purpose: Purpose): Promise<number | undefined> {
  const socket = connect(nameOf(purpose))
  socket.setTimeout(HOLDER_MS, () => socket.destroy(new Error('no answer')))
  try {
    return Number(await text(socket)) || undefined
  } catch {
    return undefined
  }
}

const nameOf = (purpose: Purpose) =>
  `\0sluice-up-${purpose}-${process.getuid?.()}-${createHash('sha256').update(platformFolder()).digest('hex').slice(0, 16)}`
