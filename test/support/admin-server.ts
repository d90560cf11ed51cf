import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createControl } from '../../kong/gateway/control.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import type { RouterFlavor } from '../../kong/gateway/router/router.ts'
import type { State } from '../../kong/gateway/state/state.ts'
import type { SchemaSpec } from '../../kong/schema/spec.ts'

export interface RunningAdmin {
  readonly url: string
  readonly state: State
  /** Failures inside the server so far. */
  readonly errors: readonly unknown[]
  close(): Promise<void>
}

export interface AdminServerOptions {
  /** Schemas of plugins besides the gateway's own. */
  readonly plugins?: Readonly<Record<string, SchemaSpec>>
  /** Without a database: the state comes from `/config` only. */
  readonly declarative?: boolean
  readonly routerFlavor?: RouterFlavor
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number
}

/** The Admin API alone, without a proxy, on a free port. */
export async function startAdminServer(options: AdminServerOptions = {}): Promise<RunningAdmin> {
  const { plugins = {}, declarative = false, routerFlavor } = options
  const { now = () => performance.timeOrigin + performance.now() } = options
  const errors: unknown[] = []
  const others = Object.entries(plugins).map(
    ([name, schema]) => [name, { schema, priority: 1, version: '1.0.0' }] as const,
  )
  const { state, admin } = createControl({
    plugins: { ...BUNDLED_PLUGINS, ...Object.fromEntries(others) },
    databaseLess: declarative,
    ...(routerFlavor && { routerFlavor }),
    node: {
      nodeId: '00000000-0000-4000-8000-000000000000',
      version: '3.9.3',
      configuration: {},
      traffic: () => ({ totalRequests: 0, activeConnections: 0 }),
    },
    now,
    onError: error => errors.push(error),
  })
  const server = createServer((request, response) => {
    response.setHeader('date', new Date(now()).toUTCString())
    admin(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    errors,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
