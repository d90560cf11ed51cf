import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Logger } from '../../../foundation/log.ts'

const RESPAWN_MS = 1_000
/** Not in Kong, which leaves a child that ignores SIGTERM running. */
const KILL_AFTER_MS = 5_000
const COMMAND_NOT_FOUND = 127

/** A plugin server that the gateway starts by its start command, and starts again when it ends. */
export class PluginServerChild {
  readonly #name: string
  readonly #command: string
  readonly #log: Logger
  #child: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(name: string, command: string, log: Logger) {
    this.#name = name
    this.#command = command
    this.#log = log
    this.#start()
  }

  #start(): void {
    const nextAtMs = performance.now() + RESPAWN_MS
    const child = spawn('/bin/sh', ['-c', `exec ${this.#command}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#log.info({ server: this.#name, pid: child.pid }, 'plugin server started')
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', line => this.#log.info(`[${this.#name}:${child.pid}] ${line}`))
    child.once('error', () => {})
    // Not `close`: a process that the server left behind may keep its output open.
    child.once('exit', (code, signal) => {
      this.#child = undefined
      if (this.#closed) return
      if (code === COMMAND_NOT_FOUND)
        this.#log.error(
          { server: this.#name, command: this.#command },
          'the start command exited with "command not found"',
        )
      this.#log.warn({ server: this.#name, code, signal }, 'plugin server terminated')
      this.#timer = setTimeout(() => this.#start(), Math.max(0, nextAtMs - performance.now()))
    })
  }

  /** Ends the server by SIGTERM. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (!child) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
    await ended
    clearTimeout(killer)
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
}
