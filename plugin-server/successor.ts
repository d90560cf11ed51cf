/**
 * Replaces a server by a new process of itself, to load changed plugins: the successor takes the socket over, and this
 * process stays as its keeper, so that a supervisor goes on seeing the process that it started.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import { describePlugin } from './runtime/info.ts'
import type { AnyPlugin } from './runtime/registry.ts'

/** What a successor says to its keeper once it serves. */
export interface ServingMessage {
  readonly serving: true
  /** Of what Kong is told about the plugins. */
  readonly fingerprint: string
}

/** Equal for plugins of which Kong is told the same, whatever their code does. */
export function fingerprintOf(plugins: readonly AnyPlugin[]): string {
  const dumps = plugins.map(describePlugin).sort((a, b) => (a.Name < b.Name ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(dumps)).digest('hex')
}

export interface Successor {
  readonly process: ChildProcess
  readonly fingerprint: string
}

/**
 * Starts this program once more, with the same arguments and `--take-over`.
 *
 * @throws SLUICE_SUCCESSOR_FAILED when it ends before it serves; it has said why in its log.
 */
export function startSuccessor(log: Logger): Promise<Successor> {
  const [program, ...args] = process.argv.slice(1)
  const child = fork(program!, args.includes('--take-over') ? args : [...args, '--take-over'])
  log.info({ pid: child.pid }, 'starting a successor')
  return new Promise((resolve, reject) => {
    const failed = (reason: string) =>
      reject(new SluiceError('SLUICE_SUCCESSOR_FAILED', `the successor did not start: ${reason}`))
    child.once('error', error => failed(error.message))
    child.once('exit', (code, signal) => failed(signal ?? `it ended with ${code}`))
    child.once('message', message => {
      child.removeAllListeners()
      resolve({ process: child, fingerprint: (message as ServingMessage).fingerprint })
    })
  })
}

/** What a keeper needs of its own server. */
export interface Kept {
  readonly ended: Promise<void>
  close(): Promise<void>
}

export interface Keeper {
  /**
   * @param fingerprint of the plugins that the server serves.
   * @returns the exit code, once this server and its successors have ended.
   */
  keep(server: Kept, fingerprint: string): Promise<number>
}

/**
 * Follows the signals from now on, also those that come before there is a server: SIGTERM and SIGINT end it, asked
 * twice at once; SIGHUP replaces it.
 */
export function createKeeper(log: Logger): Keeper {
  let kept: Kept | undefined
  let fingerprint = ''
  let current: Successor | undefined
  let replacing: Promise<void> | undefined
  let stopping = false
  let replaceAsked = false
  let end: (code: number) => void
  const ended = new Promise<number>(resolve => {
    end = resolve
  })

  const replace = async () => {
    replaceAsked = false
    try {
      const next = await startSuccessor(log)
      if (next.fingerprint !== fingerprint)
        log.warn(
          'the plugins tell Kong something else than before: reload Kong, or it goes on by the old dump',
        )
      fingerprint = next.fingerprint
      current = next
      next.process.once('exit', code => {
        if (current === next) end(code ?? 1)
      })
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'the old plugins go on being served')
    }
    replacing = undefined
    follow()
  }
  const follow = () => {
    if (!kept || replacing) return
    if (stopping) {
      if (current) current.process.kill('SIGTERM')
      else void kept.close()
    } else if (replaceAsked) replacing = replace()
  }
  const stop = () => {
    if (stopping) process.exit(1)
    stopping = true
    follow()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => {
    replaceAsked = true
    follow()
  })
  // Without its keeper nobody would end a successor: a supervisor would start the next server beside it.
  process.once('disconnect', stop)
  // The channel alone must not hold a process whose start has failed.
  process.channel?.unref()

  return {
    keep(server, ownFingerprint) {
      kept = server
      fingerprint = ownFingerprint
      const message: ServingMessage = { serving: true, fingerprint }
      process.send?.(message)
      void server.ended.then(async () => {
        await replacing
        if (!current) end(0)
      })
      follow()
      return ended
    },
  }
}
