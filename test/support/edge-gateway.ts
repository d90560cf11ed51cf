import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { readSettings } from '../../foundation/settings.ts'
import { startServer } from '../../plugin-server/main.ts'
import { createDump } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import type { Protocol } from '../../protocol/calls.ts'
import { createCollectedLog, type LogLine } from '../../testing/collected-log.ts'
import { makeFolder } from './folder.ts'
import { type RunningGateway, startTestGateway } from './gateway.ts'

export interface EdgeGatewayOptions {
  readonly plugins: readonly AnyPlugin[]
  /** ProtoBuf:1 by default. */
  readonly protocol?: Protocol
  /** Settings of the plugin server. */
  readonly env?: Readonly<Record<string, string>>
  /** Settings of the gateway. */
  readonly kong?: Readonly<Record<string, string>>
  /** Of the proxy, where the plugin server has to know it beforehand. */
  readonly proxyPort?: number
}

/** The local gateway with a whole plugin server of this process behind its socket. */
export interface EdgeGateway extends RunningGateway {
  /** What the plugin server has logged. */
  readonly log: readonly LogLine[]
  /** Adds a service with a route `/<name>` and plugins on it. */
  addService(name: string, url: string, plugins: readonly object[]): Promise<void>
}

export async function startEdgeGateway(options: EdgeGatewayOptions): Promise<EdgeGateway> {
  const { plugins, protocol = 'ProtoBuf:1', env = {}, kong = {}, proxyPort = 0 } = options
  const folder = makeFolder()
  const socket = path.join(folder.path, 'sluice.sock')
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
    SLUICE_HTTP: 'off',
    ...env,
  })
  const log: LogLine[] = []
  const server = await startServer(settings, { plugins, log: createCollectedLog(log) })
  const servers = plugins.flatMap(plugin => {
    const dump = path.join(folder.path, `${plugin.name}.json`)
    writeFileSync(dump, JSON.stringify(createDump([plugin], protocol, socket)))
    const variable = `KONG_PLUGINSERVER_${nameInKong(plugin).toUpperCase()}`
    return [
      [`${variable}_SOCKET`, socket],
      [`${variable}_QUERY_CMD`, `cat ${dump}`],
    ]
  })
  const gateway = await startTestGateway({
    KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    KONG_PLUGINS: ['bundled', ...plugins.map(({ name }) => name)].join(','),
    KONG_PLUGINSERVER_NAMES: plugins.map(nameInKong).join(','),
    ...Object.fromEntries(servers),
    ...kong,
  })
  return {
    ...gateway,
    log,
    async addService(name, url, entries) {
      await gateway.admin('POST', '/services', { name, url })
      await gateway.admin('POST', `/services/${name}/routes`, { name, paths: [`/${name}`] })
      for (const entry of entries) await gateway.admin('POST', `/services/${name}/plugins`, entry)
    },
    async close() {
      await gateway.close()
      await server.close()
      folder.remove()
    },
  }
}

const nameInKong = ({ name }: AnyPlugin) => name.replaceAll('-', '_')
