import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { fileFault } from '../../foundation/file-fault.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Address } from '../../foundation/settings.ts'
import { type ConfigurablePlugin, type Control, createControl } from './control.ts'
import { IdleNotice } from './idle-notice.ts'
import { statusOnly, withPluginApis } from './plugin-api.ts'
import { createPdkHost } from './plugin-client/host.ts'
import { PluginServers } from './plugin-client/plugin-servers.ts'
import type { BuiltinHost, BuiltinPlugin } from './plugins/builtin.ts'
import { BUNDLED_PLUGINS } from './plugins/bundled.ts'
import { createResolver } from './proxy/balancer.ts'
import { Certificates } from './proxy/certificates.ts'
import { ConfigurationKeeper } from './proxy/configuration.ts'
import type { NodeFacts } from './proxy/exchange.ts'
import { bind, type ListenAddress, Listener } from './proxy/listener.ts'
import type { RunnablePlugin } from './proxy/plugin.ts'
import { ProxyServer } from './proxy/proxy.ts'
import { refusal } from './proxy/refusal.ts'
import { selfSigned } from './proxy/self-signed.ts'
import { UpstreamPools } from './proxy/upstream-pool.ts'
import type { GatewaySettings } from './settings.ts'

/** The Kong whose behaviour is followed. */
const VERSION = '3.9.3'
const SWEEP_MS = 30_000

export interface Gateway {
  readonly proxyAddresses: readonly ListenAddress[]
  readonly adminAddresses: readonly Address[]
  readonly statusAddresses: readonly Address[]
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
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { environment, logger } = options
  const traffic = new Traffic()
  const servers = await PluginServers.query({
    environment,
    host: createPdkHost(environment, logger, () => traffic.counts()),
    log: logger,
  })
  const gateway = new LocalGateway(options, servers, traffic)
  try {
    await gateway.open()
  } catch (error) {
    await gateway.close(0)
    throw error
  }
  return gateway
}

/** Requests and connections of the proxy, which others ask for before it exists. */
class Traffic {
  readonly listeners: Listener[] = []
  proxy: ProxyServer | undefined

  counts() {
    return {
      totalRequests: this.proxy?.totalRequests ?? 0,
      activeConnections: this.listeners.reduce((sum, { connections }) => sum + connections, 0),
    }
  }
}

class LocalGateway implements Gateway {
  readonly #settings: GatewaySettings
  readonly #servers: PluginServers
  readonly #traffic: Traffic
  readonly #control: Control
  readonly #builtin: ReadonlyMap<string, BuiltinPlugin>
  readonly #proxy: ProxyServer
  readonly #pools = new UpstreamPools(Date.now)
  readonly #sweeper = setInterval(() => this.#pools.sweep(Date.now()), SWEEP_MS).unref()
  readonly #admins: Server[] = []
  readonly #adminAddresses: Address[] = []
  readonly #statusAddresses: Address[] = []

  /** @throws SluiceError SLUICE_GATEWAY_CONFIG */
  constructor({ settings, logger }: GatewayOptions, servers: PluginServers, traffic: Traffic) {
    this.#settings = settings
    this.#servers = servers
    this.#traffic = traffic
    const node: NodeFacts = {
      nodeId: randomUUID(),
      version: VERSION,
      workspaceId: randomUUID(),
      realIp: settings.realIp,
    }
    const installed = installedPlugins(settings, servers)
    this.#control = control(settings, installed, { node, traffic, logger })
    const { state } = this.#control
    this.#builtin = startBuiltin(installed, {
      now: Date.now,
      newId: randomUUID,
      logger,
      state,
      node: { id: node.nodeId, version: VERSION },
      traffic: () => traffic.counts(),
    })
    const idle = Object.entries(installed).filter(([, { runs }]) => runs === false)
    new IdleNotice(state, new Set(idle.map(([name]) => name)), logger)
    const configuration = this.#configuration(node, servers, logger)
    this.#proxy = new ProxyServer({
      configuration: () => configuration.upToDate(),
      ...{ node, pools: this.#pools, now: Date.now, logger },
      newRequestId: () => randomUUID().replaceAll('-', ''),
    })
    traffic.proxy = this.#proxy
  }

  #configuration(node: NodeFacts, servers: PluginServers, logger: Logger): ConfigurationKeeper {
    return new ConfigurationKeeper(this.#control.state, {
      plugins: new Map<string, RunnablePlugin>([...this.#builtin, ...byName(servers.plugins)]),
      workspaceId: node.workspaceId,
      resolver: createResolver(Date.now),
      health: this.#control.health,
      routerFlavor: this.#settings.routerFlavor,
      nextSequence: counter(),
      onFault: ({ entity }, error) =>
        logger.error(
          { plugin: entity.name, id: entity.id, err: messageOf(error) },
          'invalid plugin configuration',
        ),
      onRouteFault: (route, error) =>
        logger.error({ route: route.id, err: messageOf(error) }, 'could not add route'),
    })
  }

  get proxyAddresses(): readonly ListenAddress[] {
    return this.#traffic.listeners.map(({ address }) => address)
  }

  get adminAddresses(): readonly Address[] {
    return this.#adminAddresses
  }

  get statusAddresses(): readonly Address[] {
    return this.#statusAddresses
  }

  /** @throws SluiceError SLUICE_PORT_IN_USE */
  async open(): Promise<void> {
    this.#servers.start()
    const admin = withPluginApis(this.#control.admin, [...this.#builtin.values()], VERSION)
    for (const address of this.#settings.adminListen)
      this.#adminAddresses.push(await this.#listen(admin, address))
    for (const address of this.#settings.statusListen)
      this.#statusAddresses.push(await this.#listen(statusOnly(admin), address))
    const { proxyListen, defaultCertificate } = this.#settings
    const certificates = proxyListen.some(({ ssl }) => ssl)
      ? new Certificates(this.#control.state, defaultCertificate ?? selfSigned('localhost', Date.now()))
      : undefined
    for (const address of proxyListen)
      this.#traffic.listeners.push(
        await Listener.open({
          address,
          certificates,
          serve: (request, response, upgrade) => this.#proxy.serve(request, response, upgrade),
          onBadRequest: (status, socket) => socket.end(refusal(status, VERSION)),
        }),
      )
  }

  async #listen(handler: RequestListener, address: Address): Promise<Address> {
    const server = createServer(handler)
    this.#admins.push(server)
    return bind(server, address)
  }

  async close(graceMs: number): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all(this.#traffic.listeners.map(listener => listener.close(graceMs)))
    for (const admin of this.#admins) {
      admin.close()
      admin.closeAllConnections()
    }
    await Promise.all([...this.#builtin.values()].map(plugin => plugin.close?.()))
    await this.#pools.close()
    await this.#servers.close()
  }
}

type Installed = Readonly<Record<string, ConfigurablePlugin>>

/** @throws SluiceError SLUICE_GATEWAY_CONFIG for a name that is no plugin. */
function installedPlugins({ plugins }: GatewaySettings, servers: PluginServers): Installed {
  const external = byName(servers.plugins)
  return Object.fromEntries(
    plugins.map(name => {
      const plugin = external.get(name) ?? BUNDLED_PLUGINS[name]
      if (!plugin)
        throw new SluiceError(
          'SLUICE_GATEWAY_CONFIG',
          `KONG_PLUGINS: ${name} plugin is enabled but not installed`,
        )
      return [name, plugin]
    }),
  )
}

function startBuiltin(installed: Installed, host: BuiltinHost): ReadonlyMap<string, BuiltinPlugin> {
  const bundled = Object.keys(installed).flatMap(name => {
    const plugin = BUNDLED_PLUGINS[name]
    return plugin && plugin === installed[name] ? [plugin] : []
  })
  return new Map(bundled.map(plugin => [plugin.name, plugin.start(host)]))
}

const byName = <P extends { readonly name: string }>(plugins: readonly P[]): ReadonlyMap<string, P> =>
  new Map(plugins.map(plugin => [plugin.name, plugin]))

interface ControlParts {
  readonly node: NodeFacts
  readonly traffic: Traffic
  readonly logger: Logger
}

function control(
  settings: GatewaySettings,
  plugins: Installed,
  { node, traffic, logger }: ControlParts,
): Control {
  const { databaseLess, declarativeConfig, routerFlavor } = settings
  return createControl({
    plugins,
    databaseLess,
    routerFlavor,
    ...(declarativeConfig !== undefined && { declaration: readFile(declarativeConfig) }),
    node: {
      nodeId: node.nodeId,
      version: VERSION,
      configuration: publicConfiguration(settings),
      traffic: () => traffic.counts(),
    },
    now: () => performance.timeOrigin + performance.now(),
    onError: error => logger.error({ err: error }, 'the Admin API failed'),
  })
}

/** @throws SluiceError SLUICE_GATEWAY_CONFIG */
function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new SluiceError(
      'SLUICE_GATEWAY_CONFIG',
      `KONG_DECLARATIVE_CONFIG: ${fileFault('read', file, error)}`,
    )
  }
}

function counter(): () => number {
  let count = 0
  return () => ++count
}

const publicConfiguration = (settings: GatewaySettings) => ({
  database: settings.databaseLess ? 'off' : 'memory',
  router_flavor: settings.routerFlavor,
  plugins: settings.plugins,
  proxy_listen: settings.proxyListen.map(
    ({ host, port, ssl, http2 }) => `${host}:${port}${http2 ? ' http2' : ''}${ssl ? ' ssl' : ''}`,
  ),
  admin_listen: settings.adminListen.map(({ host, port }) => `${host}:${port}`),
  role: 'traditional',
  version: VERSION,
})
