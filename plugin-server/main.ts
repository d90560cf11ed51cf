/** The composition root of the plugin server: settings → wiring → start → drain. */
import { randomInt } from 'node:crypto'
import { type Clock, systemClock } from '../foundation/clock.ts'
import { type Health, openObservations } from '../foundation/health.ts'
import { createLogger, type Logger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import { startCore } from './core.ts'
import { openJwks } from './jwks.ts'
import { blockersOf, createEndings, drainEvents, Lifecycle, type Server, serverOf } from './lifecycle.ts'
import { loadShippedPlugins } from './plugins.ts'
import type { AnyPlugin } from './runtime/registry.ts'
import { createSocketServer } from './transport/server.ts'

export type { Server } from './lifecycle.ts'

export interface ServerOptions {
  /** Instead of those that Sluice ships. */
  readonly plugins?: readonly AnyPlugin[]
  /** Replace a server that listens on the socket. */
  readonly takeOver?: boolean
  readonly log?: Logger
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

/**
 * Starts the plugin server; resolves when Kong can connect.
 *
 * @throws SluiceError for a plugin, a socket or a port that can't be used; what was started is closed again.
 */
export async function startServer(settings: Settings, options: ServerOptions = {}): Promise<Server> {
  const startedAt = performance.now()
  const log = options.log ?? createLogger(settings.logLevel)
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const metrics = createMetrics({ process: true })
  const definitions = options.plugins ?? (await loadShippedPlugins())

  const endings = createEndings(log)
  let lifecycle: Lifecycle | undefined
  try {
    const core = await startCore(settings, definitions, { clock, random, log, metrics })
    endings.add(core.close)
    const { store, registry, runtime } = core

    const health = (): Health => ({ blockers: blockersOf(lifecycle), ...core.health() })
    const takeOver = options.takeOver ?? false
    const http = await openObservations({ address: settings.http, metrics, health, takeOver, log })
    endings.add(() => http.close())
    const jwks = await openJwks(settings, { clock, log, takeOver })
    endings.add(() => jwks.close())
    const sockets = await createSocketServer({
      path: settings.socket,
      group: settings.socketGroup,
      takeOver,
      handler: runtime.handler,
      log,
      firstEventId: randomInt(0, 0x7fff_ffff),
    })
    endings.add(() => sockets.close())
    const draining = { runtime, connections: () => sockets.connections, clock, log }
    lifecycle = new Lifecycle({
      listener: sockets,
      http: [http, jwks],
      drain: succeeded => drainEvents(succeeded, draining),
      endings,
      log,
    })
    const plugins = [...registry.plugins.keys()]
    const startMs = Math.round(performance.now() - startedAt)
    log.info(
      { socket: settings.socket, plugins, store: store.kind, http: http.port, pid: process.pid, startMs },
      'serving',
    )
    return serverOf(settings.socket, http, lifecycle)
  } catch (error) {
    await endings.run()
    throw error
  }
}
