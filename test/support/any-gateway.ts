import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { kongSettings } from '../../cli/kong-conf.ts'
import { makeFolder } from './folder.ts'
import { startTestGateway } from './gateway.ts'
import { runSluice } from './run-sluice.ts'

/** A gateway that has Sluice's plugins configured, whoever made it. */
export interface AnyGateway {
  readonly name: string
  readonly adminUrl: string
  readonly proxyUrl: string
  /** Where it expects the plugin server. */
  readonly socket: string
  /** How the gateway reaches this machine. */
  readonly thisHost: string
  /** Resolves when a change made by the Admin API is in force. */
  settle(): Promise<void>
  close(): Promise<void>
}

const PLUGINS = ['qos', 'circuit-breaker', 'key-auth-audit', 'sluice']

/**
 * The gateway that `SLUICE_TEST_KONG_ADMIN_URL`, `_PROXY_URL` and `_SOCKET` name, or a local one. That Kong must run
 * with a database and the settings that `sluice kong-conf --socket $SLUICE_TEST_KONG_SOCKET` prints.
 * `SLUICE_TEST_KONG_SETTLE_MS` is how long its changes take (5,000), `SLUICE_TEST_KONG_UPSTREAM_HOST` this machine
 * as it sees it (127.0.0.1).
 */
export async function useGateway(): Promise<AnyGateway> {
  const given = (name: string) => process.env[`SLUICE_TEST_KONG_${name}`]
  const [adminUrl, proxyUrl, socket] = [given('ADMIN_URL'), given('PROXY_URL'), given('SOCKET')]
  if (adminUrl && proxyUrl && socket)
    return {
      name: `Kong at ${adminUrl}`,
      adminUrl,
      proxyUrl,
      socket,
      thisHost: given('UPSTREAM_HOST') ?? '127.0.0.1',
      settle: () => pause(Number(given('SETTLE_MS') ?? 5_000)),
      close: async () => {},
    }
  const folder = makeFolder()
  const dumped = await runSluice(['dump', '--out', folder.path])
  if (dumped.code !== 0) throw new Error(dumped.stderr)
  const localSocket = path.join(folder.path, 'sluice.sock')
  const settings = kongSettings(PLUGINS, localSocket, plugin => `cat ${folder.path}/${plugin}.json`)
  const gateway = await startTestGateway(
    Object.fromEntries(settings.map(([name, value]) => [`KONG_${name.toUpperCase()}`, value])),
  )
  return {
    name: 'the local gateway',
    adminUrl: gateway.adminUrl,
    proxyUrl: gateway.proxyUrl,
    socket: localSocket,
    thisHost: '127.0.0.1',
    settle: async () => {},
    async close() {
      await gateway.close()
      folder.remove()
    },
  }
}
