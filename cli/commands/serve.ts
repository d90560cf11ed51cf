import { existsSync } from 'node:fs'
import path from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Environment } from '../../foundation/environment.ts'
import { createLogger } from '../../foundation/log.ts'
import { inspectSettings } from '../../foundation/settings.ts'
import { kongJsOptions } from '../../plugin-server/kong-js/module.ts'
import { readServerSettings } from '../../plugin-server/runtime/plugin-settings.ts'
import { outliveStrayErrors } from '../../plugin-server/stray-errors.ts'
import { fingerprintOf, SuccessorSupervisor } from '../../plugin-server/successor-supervisor.ts'
import { refreshDumps } from '../wiring/dump-files.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface ServeFlags extends PluginFlags {
  readonly socket?: string
  readonly http?: string
  readonly takeOver?: boolean
  readonly pluginsOnError?: 'closed' | 'open'
  readonly workers: number
}

export const command = withPluginOptions(new Command())
  .option('--socket <path>', 'unix socket on which Kong finds the server (SLUICE_SOCKET)')
  .option('--http <host:port>', 'metrics and health; `off` for none (SLUICE_HTTP)')
  .option('--workers <n>', 'processes that share the work; several need Redis and ProtoBuf:1', workerCount, 1)
  .addOption(
    new Option(
      '--plugins-on-error <policy>',
      "what becomes of a request when a module for Kong's JavaScript plugin server fails (SLUICE_PLUGINS_ON_ERROR)",
    ).choices(['closed', 'open']),
  )
  .option('--take-over', 'replace a server that listens there, without a failed request')
  .action(async (flags: ServeFlags) => {
    const env = withFlags(process.env, flags)
    // The plugins declare settings, too: all are checked together once they are known.
    const { settings: early } = inspectSettings(env)
    const log = createLogger(early.logLevel ?? 'info')
    const supervisor = new SuccessorSupervisor(log)
    outliveStrayErrors(log)
    const plugins = await loadAskedPlugins(flags, kongJsOptions(early))
    const settings = readServerSettings(env, plugins)
    refreshDumps(settings.socket, plugins)
    if (settings.pluginsOnError === 'open')
      log.warn("modules for Kong's JavaScript plugin server let requests pass when they fail or are late")
    const folder = path.resolve(path.dirname(settings.socket))
    // It may be a typing error, and only this user may enter what is made.
    if (!existsSync(folder)) log.info({ folder }, 'making the folder of the socket: it does not exist')
    const takeOver = flags.takeOver ?? false
    const server =
      flags.workers > 1
        ? await (await import('../../plugin-server/workers/parent.ts')).startWorkers(settings, {
            count: flags.workers,
            folders: flags.plugins.map(folder => path.resolve(folder)),
            takeOver,
            log,
          })
        : await (await import('../../plugin-server/main.ts')).startServer(settings, {
            log,
            plugins,
            takeOver,
          })
    process.exit(await supervisor.supervise(server, fingerprintOf(plugins)))
  })

/** An option stands for its variable. */
function withFlags(env: Environment, { socket, http, pluginsOnError }: ServeFlags): Environment {
  return {
    ...env,
    ...(socket !== undefined && { SLUICE_SOCKET: socket, SLUICE_SOCKET_FILE: '' }),
    ...(http !== undefined && { SLUICE_HTTP: http, SLUICE_HTTP_FILE: '' }),
    ...(pluginsOnError !== undefined && { SLUICE_PLUGINS_ON_ERROR: pluginsOnError }),
  }
}

function workerCount(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 64) return number
  throw new InvalidArgumentError('it must be an integer from 1 to 64.')
}
