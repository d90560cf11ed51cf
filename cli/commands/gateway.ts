import { Command } from 'commander'
import type { Environment } from '../../foundation/environment.ts'
import { createLogger, type Logger } from '../../foundation/log.ts'
import type { Address } from '../../foundation/settings.ts'
import { startGateway } from '../../kong/gateway/gateway.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import { readGatewaySettings } from '../../kong/gateway/settings.ts'
import { type WatchedGateway, watchPlugins } from './gateway-watch.ts'

const GRACE_MS = 10_000

interface GatewayFlags {
  readonly watch?: string
}

export const command = new Command()
  .option('--watch <folder>', 'serve the plugins of this folder, too, and reload them when they change')
  .addHelpText(
    'after',
    `
It reads Kong's own variables: KONG_PROXY_LISTEN (with ssl and http2),
KONG_SSL_CERT, KONG_SSL_CERT_KEY, KONG_ADMIN_LISTEN, KONG_STATUS_LISTEN,
KONG_PLUGINS, KONG_PLUGINSERVER_NAMES, KONG_PLUGINSERVER_<NAME>_SOCKET,
_QUERY_CMD and _START_CMD, KONG_DATABASE=off with KONG_DECLARATIVE_CONFIG,
KONG_ROUTER_FLAVOR, KONG_TRUSTED_IPS, KONG_REAL_IP_HEADER,
KONG_REAL_IP_RECURSIVE, KONG_NGINX_WORKER_PROCESSES, KONG_LOG_LEVEL.`,
  )
  .action(async (flags: GatewayFlags) => {
    const logger = createLogger(settingsOf(process.env).logLevel)
    logger.warn('this gateway behaves like Kong for development and tests; it is not for production')
    // Before anything is made that a signal would leave behind.
    const stopping = closeOnSignal(() => starting, logger)
    const starting: Promise<WatchedGateway> =
      flags.watch === undefined
        ? start(process.env, logger)
        : watchPlugins({
            folder: flags.watch,
            environment: process.env,
            log: logger,
            startGateway: environment => start(environment, logger),
          })
    await starting.catch((error: unknown) => {
      if (!stopping.aborted) throw error
    })
  })

const settingsOf = (environment: Environment) =>
  readGatewaySettings(environment, Object.keys(BUNDLED_PLUGINS))

async function start(environment: Environment, logger: Logger): Promise<WatchedGateway> {
  const settings = settingsOf(environment)
  for (const notice of settings.notices) logger.warn(notice)
  const gateway = await startGateway({ settings, logger, environment })
  const { proxyAddresses, adminAddresses, statusAddresses } = gateway
  logger.info(
    {
      proxy: proxyAddresses.map(address => url(address, address.ssl)),
      admin: adminAddresses.map(address => url(address)),
      ...(statusAddresses.length > 0 && { status: statusAddresses.map(address => url(address)) }),
      pid: process.pid,
    },
    'the gateway listens',
  )
  return { close: () => gateway.close(GRACE_MS) }
}

/**
 * Closes the gateway at a signal, once it has started: what it has made by then is removed. A second signal exits
 * immediately.
 *
 * @returns aborted at the first signal.
 */
function closeOnSignal(starting: () => Promise<WatchedGateway>, logger: Logger): AbortSignal {
  const stop = new AbortController()
  const close = (signal: string) => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
    logger.info({ signal }, 'the gateway shuts down')
    // Ctrl-C reaches the programs that it starts, too; a start that fails thereby cleans up by itself.
    starting()
      .then(
        gateway => gateway.close(),
        () => {},
      )
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'shutdown failed')
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', close)
  process.on('SIGINT', close)
  return stop.signal
}

const url = ({ host, port }: Address, ssl = false) =>
  `${ssl ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
