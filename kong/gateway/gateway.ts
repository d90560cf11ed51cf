import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Address } from '../../foundation/settings.ts'
import { type ConfigurablePlugin, createControl } from './control.ts'
import { createPdkHost } from './plugin-client/host.ts'
import { createPluginServers } from './plugin-client/plugin-servers.ts'
import { BUNDLED_PLUGINS } from './plugins/bundled.ts'
import { createBuiltinHandlers } from './plugins/handlers.ts'
import { createResolver } from './proxy/balancer.ts'
import { type Configuration, createConfiguration } from './proxy/configuration.ts'
import type { Exchange } from './proxy/exchange.ts'
import { bind, type Listener, listen } from './proxy/listener.ts'
import { logEntry } from './proxy/log-entry.ts'
import type { PluginHandler } from './proxy/plugin-chain.ts'
import { createProxy } from './proxy/proxy.ts'
import { refusal } from './proxy/refusal.ts'
import { createUpstreamPools } from './proxy/upstream-pool.ts'
import type { GatewaySettings } from './settings.ts'

/** The Kong whose behaviour is followed. */
const VERSION = '3.9.3'
const SWEEP_MS = 30_000

export interface Gateway {
  readonly proxyAddresses: readonly Address[]
  readonly adminAddresses: readonly Address[]
  /** Lets requests under way end, at most `graceMs`; then ends what is left, and the plugin servers it started. */
  close(graceMs: number): Promise<void>
}

export interface GatewayOptions {
  readonly settings: GatewaySettings
  readonly logger: Logger
  /** Where the settings of the plugin servers stand. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Starts the local gateway: Kong's Admin API and proxy in one process, for development and tests.
 *
 * @throws SluiceError SLUICE_GATEWAY_CONFIG, SLUICE_PORT_IN_USE
 */
export async function startGateway({ settings, logger, environment }: GatewayOptions): Promise<Gateway> {
  const now = () => Date.now()
  const node = {
    nodeId: randomUUID(),
    version: VERSION,
    workspaceId: randomUUID(),
    isTrusted: settings.isTrusted,
  }
  const traffic = { totalRequests: 0 }
  const listeners: Listener[] = []
  const activeConnections = () => listeners.reduce((sum, { connections }) => sum + connections, 0)
  const servers = await createPluginServers<Exchange>({
    environment,
    host: createPdkHost(environment, logger, () => ({ ...traffic, activeConnections: activeConnections() })),
    log: logger,
    logEntry,
  })
  const external = new Map(servers.plugins.map(plugin => [plugin.name, plugin]))
  let configuration: Configuration
  const builtin = createBuiltinHandlers(now)
  const handlers = new Map<string, PluginHandler>()
  const enabled: Record<string, ConfigurablePlugin> = {}
  for (const name of settings.plugins) {
    const handler = external.get(name)?.handler ?? builtin.get(name)
    const schema = external.get(name) ?? BUNDLED_PLUGINS[name]
    if (!schema)
      throw new SluiceError(
        'SLUICE_GATEWAY_CONFIG',
        `KONG_PLUGINS: ${name} plugin is enabled but not installed`,
      )
    if (handler) handlers.set(name, handler)
    enabled[name] = schema
  }

  const control = createControl({
    plugins: enabled,
    databaseLess: settings.databaseLess,
    ...(settings.declarativeConfig !== undefined && { declaration: readFile(settings.declarativeConfig) }),
    node: {
      nodeId: node.nodeId,
      version: VERSION,
      configuration: publicConfiguration(settings),
      traffic: () => ({ ...traffic, activeConnections: activeConnections() }),
    },
    now: () => performance.timeOrigin + performance.now(),
    onError: error => logger.error({ err: error }, 'the Admin API failed'),
  })

  const resolver = createResolver(now)
  let sequence = 0
  const rebuild = () =>
    createConfiguration(control.state.snapshot(), {
      handlers,
      workspaceId: node.workspaceId,
      resolver,
      nextSequence: () => ++sequence,
      onRouteFault: (route, error) =>
        logger.error({ route: route.id, err: messageOf(error) }, 'could not add route'),
    })
  configuration = rebuild()

  const pools = createUpstreamPools(now)
  const sweeper = setInterval(() => pools.sweep(now()), SWEEP_MS)
  sweeper.unref()
  const proxy = createProxy({
    configuration: () => {
      traffic.totalRequests++
      // Built when the next request needs it: many changes in a row cost one configuration.
      if (configuration.snapshot.version !== control.state.version) configuration = rebuild()
      return configuration
    },
    node,
    pools,
    now,
    logger,
  })

  const admins: Server[] = []
  const adminAddresses: Address[] = []
  const close = async (graceMs: number) => {
    clearInterval(sweeper)
    await Promise.all(listeners.map(listener => listener.close(graceMs)))
    for (const admin of admins) {
      admin.close()
      admin.closeAllConnections()
    }
    await pools.close()
    await servers.close()
  }
  try {
    servers.start()
    for (const address of settings.adminListen) {
      const server = createServer(control.admin)
      admins.push(server)
      adminAddresses.push(await bind(server, address))
    }
    for (const address of settings.proxyListen)
      listeners.push(
        await listen({
          address,
          serve: proxy,
          onBadRequest: (status, socket) => socket.end(refusal(status, VERSION)),
        }),
      )
  } catch (error) {
    await close(0)
    throw error
  }
  return { proxyAddresses: listeners.map(({ address }) => address), adminAddresses, close }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new SluiceError('SLUICE_GATEWAY_CONFIG', `KONG_DECLARATIVE_CONFIG: ${messageOf(error)}`)
  }
}

const publicConfiguration = (settings: GatewaySettings) => ({
  database: settings.databaseLess ? 'off' : 'memory',
  router_flavor: 'traditional_compatible',
  plugins: settings.plugins,
  proxy_listen: settings.proxyListen.map(({ host, port }) => `${host}:${port}`),
  admin_listen: settings.adminListen.map(({ host, port }) => `${host}:${port}`),
  role: 'traditional',
  version: VERSION,
})
