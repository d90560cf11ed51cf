/** `sluice gateway --watch FOLDER`: the gateway with a plugin server that follows the plugins of a folder. */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import { kongSettings } from './kong-conf.ts'

const run = promisify(execFile)

/** An editor or a compiler writes several files at once. */
const SETTLE_MS = 80
const START_WITHIN_MS = 10_000

type Environment = Readonly<Record<string, string | undefined>>

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
 * a moment, and no request fails meanwhile. Where it tells Kong something else than before (its schema, phases or
 * priority), the gateway starts anew, as a Kong must be reloaded; entities made by the Admin API are gone then.
 *
 * @throws SluiceError SLUICE_PLUGIN_LOAD when the first load fails; a later one is logged, and the old plugins stay.
 */
export async function watchPlugins(options: WatchOptions): Promise<WatchedGateway> {
  const { environment, log } = options
  const folder = path.resolve(options.folder)
  const home = mkdtempSync(path.join(tmpdir(), 'sluice-watch-'))
  const socket = environment.SLUICE_SOCKET ?? path.join(home, 'sluice.sock')
  const dumps = path.join(home, 'dumps')
  const env = {
    ...environment,
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: environment.SLUICE_SPOOL_DIR ?? path.join(home, 'spool'),
    SLUICE_HTTP: environment.SLUICE_HTTP ?? 'off',
  }
  const sluice = process.argv[1]!

  /** In a process of its own, since a module is loaded once a process. */
  const dump = async (): Promise<string> => {
    rmSync(dumps, { recursive: true, force: true })
    await run(process.execPath, [sluice, 'dump', '--strict', '--plugins', folder, '--out', dumps], { env })
    const digest = createHash('sha256')
    for (const file of readdirSync(dumps).sort()) digest.update(readFileSync(path.join(dumps, file)))
    return digest.digest('hex')
  }
  const startGateway = () => {
    const names = readdirSync(dumps).map(file => path.basename(file, '.json'))
    const settings = kongSettings(names, socket, name => `cat ${path.join(dumps, `${name}.json`)}`)
    const kong = Object.fromEntries(settings.map(([name, value]) => [`KONG_${name.toUpperCase()}`, value]))
    return options.startGateway({ ...environment, ...kong })
  }

  let fingerprint: string
  let server: ChildProcess
  let gateway: WatchedGateway
  try {
    fingerprint = await dump()
    server = fork(sluice, ['serve', '--plugins', folder], {
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    await listening(server, socket)
    gateway = await startGateway()
  } catch (error) {
    rmSync(home, { recursive: true, force: true })
    throw new SluiceError('SLUICE_PLUGIN_LOAD', reasonOf(error), { cause: error })
  }

  const reload = async () => {
    const startedAt = performance.now()
    try {
      const next = await dump()
      server.kill('SIGHUP')
      if (next !== fingerprint) {
        fingerprint = next
        await gateway.close()
        gateway = await startGateway()
        log.warn('the plugins tell Kong something else than before: the gateway has started anew')
      }
      log.info({ ms: Math.round(performance.now() - startedAt) }, 'the plugins were loaded anew')
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'the old plugins go on being served')
    }
  }
  let timer: NodeJS.Timeout | undefined
  let reloading: Promise<void> = Promise.resolve()
  const watcher = watch(folder, { recursive: true }, (_, file) => {
    if (file?.includes('node_modules')) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      reloading = reloading.then(reload)
    }, SETTLE_MS)
  })

  return {
    async close() {
      clearTimeout(timer)
      watcher.close()
      await reloading
      await gateway.close()
      server.kill('SIGTERM')
      if (server.exitCode === null) await new Promise(resolve => server.once('exit', resolve))
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function listening(server: ChildProcess, socket: string): Promise<void> {
  for (let waitedMs = 0; !existsSync(socket); waitedMs += 20) {
    if (server.exitCode !== null || waitedMs > START_WITHIN_MS)
      throw new Error('the plugin server did not start; its own words are above')
    await pause(20)
  }
}

/** What `sluice dump` said on stderr says more than that it failed. */
function reasonOf(error: unknown): string {
  const { stderr } = error as { stderr?: string }
  return stderr?.trim() || messageOf(error)
}
