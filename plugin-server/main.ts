/** The composition root of the plugin server: settings → wiring → start → drain. */
import { randomInt } from 'node:crypto'
import { type Clock, systemClock } from '../foundation/clock.ts'
import { type Health, openObservations } from '../foundation/health.ts'
import { createLogger, type Logger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import { createEndings, startCore } from './core.ts'
import { loadShippedPlugins } from './plugins.ts'
import type { AnyPlugin } from './runtime/registry.ts'
import { createSocketServer } from './transport/server.ts'

/** Kong closes its idle connections after 60 s; none is left then. */
const LEAVE_AFTER_MS = 65_000
/** How often a server looks whether a successor has taken its path over. */
const SUCCESSOR_CHECK_MS = 250

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

export interface Server {
  readonly socket: string
  /** Of the HTTP endpoints; undefined when they are switched off. */
  readonly httpPort: number | undefined
  /** Resolves when the server has ended, by `close` or because a successor has taken over and all of Kong's connections are gone. */
  readonly ended: Promise<void>
  /** Finishes the events in flight, passes Kong on to a successor where there is one, and ends. */
  close(): Promise<void>
}

/**
 * Starts the plugin server; resolves when Kong can connect.
 *
 * @throws SluiceError for a plugin, a socket or a port that can't be used; what had been started is ended again.
 */
export async function startServer(settings: Settings, options: ServerOptions = {}): Promise<Server> {
  const startedAt = performance.now()
  const log = options.log ?? createLogger(settings.logLevel)
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const metrics = createMetrics({ process: true })
  const definitions = options.plugins ?? (await loadShippedPlugins())

  const endings = createEndings(log)
  try {
    const core = await startCore(settings, definitions, { clock, random, log, metrics })
    endings.add(core.close)
    const { store, registry, runtime } = core

    let blocker: string | undefined = 'the server is starting'
    const health = (): Health => ({ blockers: blocker ? [blocker] : [], ...core.health() })
    const http = await openObservations({
      address: settings.http,
      metrics,
      health,
      takeOver: options.takeOver ?? false,
      log,
    })
    endings.add(() => http.close())
    const sockets = await createSocketServer({
      path: settings.socket,
      group: settings.socketGroup,
      takeOver: options.takeOver ?? false,
      handler: runtime.handler,
      log,
      firstEventId: randomInt(0, 0x7fff_ffff),
    })
    endings.add(() => sockets.close())
    blocker = undefined

    let end: Promise<void> | undefined
    let resolveEnded: () => void
    const ended = new Promise<void>(resolve => {
      resolveEnded = resolve
    })
    const leave = async () => {
      blocker = 'the server is draining'
      clearInterval(successorCheck)
      const succeeded = !sockets.current()
      log.info({ connections: sockets.connections, running: runtime.running, succeeded }, 'draining')
      // With a successor nobody finds the way here any more, but a connection may still wait to be accepted.
      if (!succeeded) sockets.stopAccepting()
      // The port is the successor's now; without one, it tells that this server is draining.
      if (succeeded) await http.close()
      const deadline = clock.monotonic() + LEAVE_AFTER_MS
      await within(runtime.drain(), LEAVE_AFTER_MS)
      // Kong moves each connection's next event to the successor by itself, unless there is none to move to.
      while (succeeded && sockets.connections > 0 && clock.monotonic() < deadline) await pause(50)
      await endings.run()
      log.info('ended')
      resolveEnded()
    }
    const close = () => {
      end ??= leave()
      return end
    }
    const successorCheck = setInterval(() => {
      if (!sockets.current()) void close()
    }, SUCCESSOR_CHECK_MS)
    successorCheck.unref()

    log.info(
      {
        socket: settings.socket,
        plugins: [...registry.plugins.keys()],
        store: store.kind,
        http: http.port,
        pid: process.pid,
        startMs: Math.round(performance.now() - startedAt),
      },
      'serving',
    )
    return {
      socket: settings.socket,
      get httpPort() {
        return http.port
      },
      ended,
      close,
    }
  } catch (error) {
    await endings.run()
    throw error
  }
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
