import { Command } from 'commander'
import { createLogger } from '../../foundation/log.ts'
import type { Address } from '../../foundation/settings.ts'
import { startGateway } from '../../kong/gateway/gateway.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import { readGatewaySettings } from '../../kong/gateway/settings.ts'
import { watchPlugins } from './gateway-watch.ts'

const GRACE_MS = 10_000

interface GatewayFlags {
  readonly watch?: string
}

export const command = new Command()
  .option('--watch <folder>', 'serve the plugins of this folder, too, and load them anew when they change')
  .addHelpText(
    'after',
    `
It is set by Kong's own variables: KONG_PROXY_LISTEN, KONG_ADMIN_LISTEN, KONG_PLUGINS, KONG_PLUGINSERVER_NAMES,
KONG_PLUGINSERVER_<NAME>_SOCKET, _QUERY_CMD and _START_CMD, KONG_DATABASE=off with KONG_DECLARATIVE_CONFIG,
KONG_TRUSTED_IPS, KONG_LOG_LEVEL.`,
  )
  .action(async (flags: GatewayFlags) => {
    const logger = createLogger(readGatewaySettings(process.env, Object.keys(BUNDLED_PLUGINS)).logLevel)
    logger.warn('this gateway behaves like Kong for development and tests; it is not for production')
    const start = async (environment: Readonly<Record<string, string | undefined>>) => {
      const settings = readGatewaySettings(environment, Object.keys(BUNDLED_PLUGINS))
      for (const notice of settings.notices) logger.warn(notice)
      const gateway = await startGateway({ settings, logger, environment })
      logger.info(
        { proxy: gateway.proxyAddresses.map(url), admin: gateway.adminAddresses.map(url), pid: process.pid },
        'the gateway listens',
      )
      return gateway
    }
    const gateway =
      flags.watch === undefined
        ? await start(process.env)
        : await watchPlugins({
            folder: flags.watch,
            environment: process.env,
            log: logger,
            startGateway: async environment => {
              const started = await start(environment)
              return { close: () => started.close(GRACE_MS) }
            },
          })
    let closing = false
    const close = (signal: string) => {
      if (closing) process.exit(1)
      closing = true
      logger.info({ signal }, 'the gateway ends')
      gateway.close(GRACE_MS).then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'the gateway did not end in order')
          process.exit(1)
        },
      )
    }
    process.on('SIGTERM', close)
    process.on('SIGINT', close)
  })

const url = ({ host, port }: Address) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`
