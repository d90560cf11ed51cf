import path from 'node:path'
import { systemClock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { type AnyPlugin, createRegistry } from '../../plugin-server/runtime/registry.ts'
import { createRuntime, type Runtime } from '../../plugin-server/runtime/runtime.ts'
import { createSocketServer } from '../../plugin-server/transport/server.ts'
import type { Host } from '../../sdk/sdk.ts'
import { makeFolder } from './folder.ts'

export interface RunningPluginServer {
  readonly socket: string
  readonly runtime: Runtime
  close(): Promise<void>
}

const none = () => {}
export const silentLog = {
  fatal: none,
  error: none,
  warn: none,
  info: none,
  debug: none,
  trace: none,
  child: () => silentLog,
} as unknown as Logger

/** Sluice's own plugin server in this process, with one plugin. */
export async function startPluginServer(plugin: AnyPlugin): Promise<RunningPluginServer> {
  const folder = makeFolder()
  const socket = path.join(folder.path, 'plugin.sock')
  const metrics = createMetrics()
  const host = { clock: systemClock, log: silentLog, metrics } as unknown as Host
  const registry = createRegistry([plugin], () => host)
  const runtime = createRuntime({
    registry,
    clock: systemClock,
    log: silentLog,
    metrics,
  })
  const server = await createSocketServer({
    path: socket,
    group: undefined,
    takeOver: false,
    handler: runtime.handler,
    log: silentLog,
    firstEventId: 7,
  })
  return {
    socket,
    runtime,
    async close() {
      server.stopAccepting()
      await server.close()
      runtime.close()
      folder.remove()
    },
  }
}
