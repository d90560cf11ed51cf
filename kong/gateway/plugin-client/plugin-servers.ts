import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../../foundation/log.ts'
import type { PdkHost } from '../pdk/call.ts'
import { PluginServerChild } from './child.ts'
import { PATIENCE_MS } from './connections.ts'
import { ExternalPlugin } from './external-plugin.ts'
import { queryPlugin } from './query.ts'
import { type PluginServerSettings, readPluginServers } from './settings.ts'

export interface PluginServersOptions {
  /** `KONG_PLUGINSERVER_…`, `KONG_PREFIX` and `KONG_NGINX_WORKER_PROCESSES`. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly host: PdkHost
  readonly log: Logger
  /** Default: one minute, as in Kong. */
  readonly patienceMs?: number
}

/** The configured plugin servers with their plugins. */
export class PluginServers {
  readonly plugins: readonly ExternalPlugin[]
  readonly #servers: readonly PluginServerSettings[]
  readonly #log: Logger
  readonly #children: PluginServerChild[] = []

  /**
   * Asks the plugin servers for their plugins, one after the other as Kong does.
   *
   * @throws SLUICE_GATEWAY_CONFIG
   */
  static async query(options: PluginServersOptions): Promise<PluginServers> {
    const { environment, host, log, patienceMs = PATIENCE_MS } = options
    const servers = readPluginServers(environment)
    const workers = workerCount(environment)
    const plugins: ExternalPlugin[] = []
    for (const server of servers) {
      const dumped = await queryPlugin(server)
      plugins.push(
        new ExternalPlugin({
          ...{ dumped, socketPath: server.socket, workers, host, log, patienceMs },
          sleep: ms => sleep(ms),
        }),
      )
    }
    return new PluginServers(servers, plugins, log)
  }

  private constructor(
    servers: readonly PluginServerSettings[],
    plugins: readonly ExternalPlugin[],
    log: Logger,
  ) {
    this.#servers = servers
    this.plugins = plugins
    this.#log = log
  }

  /** Starts the servers that have a start command. */
  start(): void {
    for (const { name, startCommand } of this.#servers)
      if (startCommand !== undefined)
        this.#children.push(new PluginServerChild(name, startCommand, this.#log))
  }

  /** Ends the servers that were started here, and all connections. */
  async close(): Promise<void> {
    for (const plugin of this.plugins) plugin.close()
    await Promise.all(this.#children.map(child => child.close()))
  }
}

function workerCount(environment: PluginServersOptions['environment']): number {
  const count = Number(environment.KONG_NGINX_WORKER_PROCESSES)
  return Number.isInteger(count) && count > 0 ? count : 1
}
