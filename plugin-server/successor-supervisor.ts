/**
 * Replaces a server by a new process of itself, to load changed plugins: the successor takes the socket over, and this
 * process stays as its supervisor, so that whoever started it goes on seeing the process that it started.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import { describePlugin } from './runtime/info.ts'
import type { AnyPlugin } from './runtime/registry.ts'

/** What a successor says to its supervisor once it serves. */
interface ServingMessage {
  readonly serving: true
  /** Of what Kong is told about the plugins. */
  readonly fingerprint: string
}

/** Equal for plugins of which Kong is told the same, whatever their code does. */
export function fingerprintOf(plugins: readonly AnyPlugin[]): string {
  const dumps = plugins.map(describePlugin).sort((a, b) => (a.Name < b.Name ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(dumps)).digest('hex')
}

interface Successor {
  readonly process: ChildProcess
  readonly fingerprint: string
}

/**
 * Starts this program once more, with the same arguments and `--take-over`.
 *
 * @throws SLUICE_SUCCESSOR_FAILED when it ends before it serves; it has said why in its log.
 */
function startSuccessor(log: Logger): Promise<Successor> {
  const [program = '', ...args] = process.argv.slice(1)
  const child = fork(program, args.includes('--take-over') ? args : [...args, '--take-over'])
  log.info({ pid: child.pid }, 'starting a successor')
  return new Promise((resolve, reject) => {
    const failed = (reason: string) =>
      reject(new SluiceError('SLUICE_SUCCESSOR_FAILED', `the successor did not start: ${reason}`))
    child.once('error', error => failed(error.message))
    child.once('exit', (code, signal) => failed(signal ?? `it exited with ${code}`))
    child.once('message', message => {
      child.removeAllListeners()
      resolve({ process: child, fingerprint: (message as ServingMessage).fingerprint })
    })
  })
}

/** What a supervisor needs of the server of its own process. */
export interface SupervisedServer {
  readonly ended: Promise<void>
  close(): Promise<void>
}

/**
 * Follows the signals from its creation on, also those that come before there is a server: SIGTERM and SIGINT end the
 * server, a second one at once; SIGHUP replaces it.
 */
export class SuccessorSupervisor {
  readonly #log: Logger
  readonly #ended: Promise<number>
  #end!: (code: number) => void
  #own: SupervisedServer | undefined
  #fingerprint = ''
  #current: Successor | undefined
  #replacing: Promise<void> | undefined
  #stopping = false
  #replaceAsked = false

  constructor(log: Logger) {
    this.#log = log
    this.#ended = new Promise(resolve => {
      this.#end = resolve
    })
    process.on('SIGTERM', this.#stop)
    process.on('SIGINT', this.#stop)
    process.on('SIGHUP', () => {
      this.#replaceAsked = true
      this.#follow()
    })
    // Without its supervisor nobody would end a successor: whoever watches would start the next server beside it.
    process.once('disconnect', this.#stop)
    // The channel alone must not hold a process whose start has failed.
    process.channel?.unref()
  }

  /**
   * @param fingerprint of the plugins that the server serves.
   * @returns the exit code, once this server and its successors have ended.
   */
  supervise(server: SupervisedServer, fingerprint: string): Promise<number> {
    this.#own = server
    this.#fingerprint = fingerprint
    const message: ServingMessage = { serving: true, fingerprint }
    process.send?.(message)
    void server.ended.then(async () => {
      await this.#replacing
      if (!this.#current) this.#end(0)
    })
    this.#follow()
    return this.#ended
  }

  readonly #stop = () => {
    if (this.#stopping) process.exit(1)
    this.#stopping = true
    this.#follow()
  }

  /** Does what was asked for, once it can be done. */
  #follow(): void {
    if (!this.#own || this.#replacing) return
    if (this.#stopping) {
      if (this.#current) this.#current.process.kill('SIGTERM')
      else void this.#own.close()
    } else if (this.#replaceAsked) this.#replacing = this.#replace()
  }

  async #replace(): Promise<void> {
    this.#replaceAsked = false
    try {
      this.#adopt(await startSuccessor(this.#log))
    } catch (error) {
      this.#log.error({ reason: messageOf(error) }, 'successor failed: still serving the old plugins')
    }
    this.#replacing = undefined
    this.#follow()
  }

  #adopt(next: Successor): void {
    if (next.fingerprint !== this.#fingerprint)
      this.#log.warn('Kong knows the plugins by an old dump: reload Kong')
    this.#fingerprint = next.fingerprint
    this.#current = next
    next.process.once('exit', code => {
      if (this.#current === next) this.#end(code ?? 1)
    })
  }
}
