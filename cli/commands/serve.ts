import path from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { parseAddress, readSettings, type Settings } from '../../foundation/settings.ts'
import { createKeeper, fingerprintOf } from '../../plugin-server/successor.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface ServeFlags extends PluginFlags {
  readonly socket?: string
  readonly http?: string
  readonly takeOver?: boolean
  readonly workers: number
}

export const command = withPluginOptions(new Command())
  .option('--socket <path>', 'unix socket on which Kong finds the server (SLUICE_SOCKET)')
  .option('--http <host:port>', 'metrics and health; `off` for none (SLUICE_HTTP)')
  .option('--workers <n>', 'processes that share the work; several need Redis and ProtoBuf:1', wholeNumber, 1)
  .option('--take-over', 'replace a server that listens there, without a failed request')
  .action(async (flags: ServeFlags) => {
    const settings = withFlags(readSettings(), flags)
    const log = createLogger(settings.logLevel)
    const keeper = createKeeper(log)
    // A plugin's stray rejection or timer must not end the process that serves all the others.
    process.on('unhandledRejection', reason =>
      log.error({ reason: messageOf(reason), stack: stackOf(reason) }, 'a promise was rejected unheard'),
    )
    process.on('uncaughtException', error =>
      log.error({ reason: error.message, stack: error.stack }, 'an exception was not caught'),
    )
    const plugins = await loadAskedPlugins(flags)
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
    process.exit(await keeper.keep(server, fingerprintOf(plugins)))
  })

function withFlags(settings: Settings, flags: ServeFlags): Settings {
  try {
    return {
      ...settings,
      ...(flags.socket !== undefined && { socket: readSettings({ SLUICE_SOCKET: flags.socket }).socket }),
      ...(flags.http !== undefined && { http: flags.http === 'off' ? undefined : parseAddress(flags.http) }),
    }
  } catch (error) {
    throw new SluiceError('SLUICE_CLI_USAGE', `--http: ${messageOf(error)}`)
  }
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 64) return number
  throw new InvalidArgumentError('it must be a whole number from 1 to 64')
}

const stackOf = (reason: unknown) => (reason instanceof Error ? reason.stack : undefined)
