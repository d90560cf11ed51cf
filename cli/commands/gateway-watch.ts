/** `sluice gateway --watch FOLDER`: the gateway with a plugin server that follows the plugins of a folder. */

import { type ChildProcess, execFile, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, type FSWatcher, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Environment } from '../../foundation/environment.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import { kongSettings } from './kong-conf.ts'

const run = promisify(execFile)

/** An editor or a compiler writes several files at once. */
const SETTLE_MS = 80
const START_WITHIN_MS = 10_000

export interface WatchedGateway {
  close(): Promise<void>
}

export interface WatchOptions {
  /** A folder of plugins, or one plugin's own. */
  readonly folder: string
  readonly environment: Environment
  readonly log: Logger
  /** Starts the gateway with the plugins that the environment names. */
  readonly startGateway: (environment: Environment) => Promise<WatchedGateway>
}

/**
 * Starts a plugin server with the folder's plugins, and the gateway. A changed plugin is served by a successor within
 * a moment, and no request fails meanwhile. When it tells Kong something else than before (its schema, phases or
 * priority), the gateway restarts, as a Kong must be reloaded; entities made by the Admin API are gone then.
 *
 * @throws SluiceError SLUICE_PLUGIN_LOAD when the first load fails; a later one is logged, and the old plugins stay.
 * What the gateway throws at its start, such as SLUICE_PORT_IN_USE.
 */
export async function watchPlugins(options: WatchOptions): Promise<WatchedGateway> {
  const watched = new WatchedPlugins(options)
  try {
    await watched.start()
  } catch (error) {
    await watched.close()
    if (error instanceof SluiceError) throw error
    throw new SluiceError('SLUICE_PLUGIN_LOAD', reasonOf(error), { cause: error })
  }
  return watched
}

/** This program, to be run again. */
const SLUICE = process.argv[1] ?? ''

class WatchedPlugins implements WatchedGateway {
  readonly #options: WatchOptions
  readonly #folder: string
  readonly #home = mkdtempSync(path.join(tmpdir(), 'sluice-watch-'))
  readonly #dumps = path.join(this.#home, 'dumps')
  readonly #socket: string
  readonly #environment: Environment
  #fingerprint = ''
  #server: ChildProcess | undefined
  #gateway: WatchedGateway | undefined
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #reloading: Promise<void> = Promise.resolve()

  constructor(options: WatchOptions) {
    const { environment } = options
    this.#options = options
    this.#folder = path.resolve(options.folder)
    this.#socket = environment.SLUICE_SOCKET ?? path.join(this.#home, 'sluice.sock')
    this.#environment = {
      ...environment,
      SLUICE_SOCKET: this.#socket,
      SLUICE_SPOOL_DIR: environment.SLUICE_SPOOL_DIR ?? path.join(this.#home, 'spool'),
      SLUICE_HTTP: environment.SLUICE_HTTP ?? 'off',
    }
  }

  async start(): Promise<void> {
    this.#fingerprint = await this.#dump()
    this.#server = fork(SLUICE, ['serve', '--plugins', this.#folder], {
      env: { ...this.#environment },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    await listening(this.#server, this.#socket)
    this.#gateway = await this.#startGateway()
    this.#watcher = watch(this.#folder, { recursive: true }, (_, file) => this.#changed(file))
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#watcher?.close()
    await this.#reloading
    await this.#gateway?.close()
    const server = this.#server
    server?.kill('SIGTERM')
    if (server?.exitCode === null && server.signalCode === null) await once(server, 'exit')
    rmSync(this.#home, { recursive: true, force: true })
  }

  #changed(file: string | null): void {
    if (file?.includes('node_modules')) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#reloading = this.#reloading.then(() => this.#reload())
    }, SETTLE_MS)
  }

  async #reload(): Promise<void> {
    const { log } = this.#options
    const startedAt = performance.now()
    try {
      const next = await this.#dump()
      this.#server?.kill('SIGHUP')
      if (next !== this.#fingerprint) {
        this.#fingerprint = next
        await this.#gateway?.close()
        this.#gateway = await this.#startGateway()
        log.warn('the plugins tell Kong something else than before: the gateway was restarted')
      }
      log.info({ ms: Math.round(performance.now() - startedAt) }, 'plugins reloaded')
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'plugins not reloaded: the old ones are still served')
    }
  }

  /** In a process of its own, since a module is loaded once per process. */
  async #dump(): Promise<string> {
    rmSync(this.#dumps, { recursive: true, force: true })
    const args = [SLUICE, 'dump', '--strict', '--plugins', this.#folder, '--out', this.#dumps]
    await run(process.execPath, args, { env: { ...this.#environment } })
    const digest = createHash('sha256')
    for (const file of readdirSync(this.#dumps).sort())
      digest.update(readFileSync(path.join(this.#dumps, file)))
    return digest.digest('hex')
  }

  #startGateway(): Promise<WatchedGateway> {
    const names = readdirSync(this.#dumps).map(file => path.basename(file, '.json'))
    const dumpOf = (name: string) => `cat ${path.join(this.#dumps, `${name}.json`)}`
    const settings = kongSettings(names, this.#socket, dumpOf)
    const kong = Object.fromEntries(settings.map(([name, value]) => [`KONG_${name.toUpperCase()}`, value]))
    return this.#options.startGateway({ ...this.#options.environment, ...kong })
  }
}

async function listening(server: ChildProcess, socket: string): Promise<void> {
  for (let waitedMs = 0; !existsSync(socket); waitedMs += 20) {
    if (server.exitCode !== null || waitedMs > START_WITHIN_MS)
      throw new Error('the plugin server did not start; its output is above')
    await pause(20)
  }
}

/** What `sluice dump` wrote to stderr says more than that it failed. */
function reasonOf(error: unknown): string {
  const { stderr } = error as { stderr?: string }
  // The line with the error's code and remedy is printed with this error, too.
  const said = stderr?.replaceAll(/^ {2}SLUICE_[A-Z_]+: .*$/gm, '').trim()
  return said?.replace(/^sluice: /, '') || messageOf(error)
}
