import { writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createLogger } from '../../../foundation/log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { startServer } from '../../../plugin-server/main.ts'
import { createDump } from '../../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { plugin as circuitBreaker } from '../../../plugins/circuit-breaker/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { makeFolder } from '../../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../../support/gateway.ts'

const plugins: readonly AnyPlugin[] = [circuitBreaker, sluice]

/** Makes the plugin entry of a service from the configuration of its breaker. */
export type PluginEntry = (breaker: Record<string, unknown>) => Record<string, unknown>

/** The local gateway with a plugin server that has `circuit-breaker` and `sluice`. */
export interface BreakerGateway {
  readonly gateway: RunningGateway
  /** Adds a service of its own with a breaker of its own. @returns the path of its route */
  addService(upstream: Server, breaker: Record<string, unknown>, entry?: PluginEntry): Promise<string>
  close(): Promise<void>
}

const standAlone: PluginEntry = breaker => ({ name: 'circuit-breaker', config: breaker })

/** @param readTimeoutMs of every service */
export async function startBreakerGateway(readTimeoutMs = 150): Promise<BreakerGateway> {
  const folder = makeFolder()
  const socket = path.join(folder.path, 'sluice.sock')
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
    SLUICE_HTTP: 'off',
  })
  const server = await startServer(settings, { plugins, log: createLogger('silent') })
  const servers = plugins.flatMap(plugin => {
    const dump = path.join(folder.path, `${plugin.name}.json`)
    writeFileSync(dump, JSON.stringify(createDump([plugin], 'ProtoBuf:1', socket)))
    const variable = `KONG_PLUGINSERVER_${plugin.name.replaceAll('-', '_').toUpperCase()}`
    return [
      [`${variable}_SOCKET`, socket],
      [`${variable}_QUERY_CMD`, `cat ${dump}`],
    ]
  })
  const gateway = await startTestGateway({
    KONG_PLUGINS: 'bundled,circuit-breaker,sluice',
    KONG_PLUGINSERVER_NAMES: 'circuit_breaker,sluice',
    ...Object.fromEntries(servers),
  })
  let services = 0
  return {
    gateway,
    async addService(upstream, breaker, entry = standAlone) {
      services += 1
      const name = `s${services}`
      const { port } = upstream.address() as AddressInfo
      const timeouts = { connect_timeout: 500, read_timeout: readTimeoutMs, write_timeout: 500, retries: 0 }
      await gateway.admin('POST', '/services', { name, url: `http://127.0.0.1:${port}`, ...timeouts })
      await gateway.admin('POST', `/services/${name}/routes`, { paths: [`/${name}`] })
      await gateway.admin('POST', `/services/${name}/plugins`, entry(breaker))
      return `/${name}`
    },
    async close() {
      await gateway.close()
      await server.close()
      folder.remove()
    },
  }
}
