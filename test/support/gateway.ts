import { createLogger } from '../../foundation/log.ts'
import { startGateway } from '../../kong/gateway/gateway.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import { readGatewaySettings } from '../../kong/gateway/settings.ts'

export interface RunningGateway {
  readonly proxyUrl: string
  readonly adminUrl: string
  readonly proxyPort: number
  /** One a listener, in the order of `KONG_PROXY_LISTEN`. */
  readonly proxyPorts: readonly number[]
  /** Calls the Admin API, which must agree. @returns the body of its answer */
  admin(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>
  close(): Promise<void>
}

/** The whole local gateway on free ports. @param env more of Kong's variables */
export async function startTestGateway(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
  const environment = { KONG_PROXY_LISTEN: '127.0.0.1:0', KONG_ADMIN_LISTEN: '127.0.0.1:0', ...env }
  const settings = readGatewaySettings(environment, Object.keys(BUNDLED_PLUGINS))
  const logger = createLogger(process.env.SLUICE_TEST_LOG_LEVEL ?? 'silent')
  const gateway = await startGateway({ settings, logger, environment })
  const proxyPort = gateway.proxyAddresses[0]!.port
  const adminUrl = `http://127.0.0.1:${gateway.adminAddresses[0]!.port}`
  return {
    proxyPort,
    proxyPorts: gateway.proxyAddresses.map(({ port }) => port),
    proxyUrl: `http://127.0.0.1:${proxyPort}`,
    adminUrl,
    async admin(method, path, body) {
      const response = await fetch(`${adminUrl}${path}`, {
        method,
        ...(body !== undefined && {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
    },
    close: () => gateway.close(1_000),
  }
}
