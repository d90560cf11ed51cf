import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createDeclarativeConfig } from '../../kong/gateway/admin/config.ts'
import { createAdminServer } from '../../kong/gateway/admin/server.ts'
import { randomAuto } from '../../kong/gateway/entities/auto.ts'
import { createEntitySchemas } from '../../kong/gateway/entities/schemas.ts'
import { BUILTIN_PLUGINS } from '../../kong/gateway/plugins/plugins.ts'
import { createMemoryState } from '../../kong/gateway/state/state.ts'
import { createEntityStore } from '../../kong/gateway/state/store.ts'
import type { SchemaSpec } from '../../kong/schema/spec.ts'

export interface RunningAdmin {
  readonly url: string
  /** Failures inside the server so far. */
  readonly errors: readonly unknown[]
  close(): Promise<void>
}

export interface AdminServerOptions {
  /** Schemas of plugins besides the gateway's own. */
  readonly plugins?: Readonly<Record<string, SchemaSpec>>
  /** Without a database: the state comes from `/config` only. */
  readonly declarative?: boolean
}

/** The Admin API alone, without a proxy, on a free port. */
export async function startAdminServer(options: AdminServerOptions = {}): Promise<RunningAdmin> {
  const { plugins = {}, declarative = false } = options
  const now = () => performance.timeOrigin + performance.now()
  const state = createMemoryState(now)
  const builtin = Object.fromEntries(
    Object.entries(BUILTIN_PLUGINS).map(([name, { schema }]) => [name, schema]),
  )
  const auto = randomAuto(now)
  const schemas = createEntitySchemas({ ...builtin, ...plugins })
  const store = createEntityStore(state, schemas, auto, { readOnly: declarative })
  const errors: unknown[] = []
  const server = createServer(
    createAdminServer({
      state,
      store,
      ...(declarative && { config: createDeclarativeConfig(state, store, auto) }),
      node: {
        nodeId: '00000000-0000-4000-8000-000000000000',
        version: '3.9.3',
        plugins: BUILTIN_PLUGINS,
        configuration: {},
        traffic: () => ({ totalRequests: 0, activeConnections: 0 }),
      },
      onError: error => errors.push(error),
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    errors,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
