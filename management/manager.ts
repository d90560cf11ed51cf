/** The composition root of the manager: settings → wiring → listen → close. */
import { createEventPipeline } from '../events/pipeline.ts'
import { type Clock, systemClock } from '../foundation/clock.ts'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import { createLogger, type Logger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import { systemTimers, type Timers } from '../foundation/timers.ts'
import { Database } from './database.ts'
import type { Parts } from './module.ts'
import { Operators } from './operators/operators.ts'
import { createServer } from './server.ts'

export interface ManagerOptions {
  readonly log?: Logger
  readonly clock?: Clock
  readonly timers?: Timers
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

export interface Manager {
  /** As bound: the port is a real one where 0 was asked for. */
  readonly url: string
  close(): Promise<void>
}

/**
 * Starts the manager; resolves when it listens.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_MANAGER_DATABASE, SLUICE_MANAGER_SCHEMA, SLUICE_PORT_IN_USE
 */
export async function startManager(settings: Settings, options: ManagerOptions = {}): Promise<Manager> {
  const { clock = systemClock, timers = systemTimers, random = Math.random } = options
  const log = options.log ?? createLogger(settings.logLevel)
  const metrics = createMetrics({ process: true })
  const database = openDatabase(settings, log)
  const events = createEventPipeline(
    { ...settings, spoolDir: settings.managerSpoolDir },
    { clock, log, metrics, random, timers },
  )
  const close = async () => {
    await events.close()
    await database.close()
  }
  try {
    await database.migrate()
    await events.start()
    const parts: Parts = {
      settings,
      database,
      operators: new Operators(database, clock),
      events: events.publisher,
      clock,
      timers,
      log,
      metrics,
      problems: () => events.problems(),
    }
    const app = await createServer(parts)
    const url = await listen(app, settings)
    log.info({ url, pid: process.pid }, 'managing')
    return {
      url,
      async close() {
        await app.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws SluiceError SLUICE_CONFIG_INVALID where there is no URL. */
export function openDatabase({ managerPostgresUrl, postgresUrl }: Settings, log: Logger): Database {
  const url = managerPostgresUrl ?? postgresUrl
  if (url === undefined)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      'SLUICE_MANAGER_POSTGRES_URL: is not set, and neither is SLUICE_POSTGRES_URL; the manager keeps its state there',
    )
  return new Database(url, log)
}

async function listen(
  app: { listen(options: { host: string; port: number }): Promise<string> },
  { managerListen }: Settings,
): Promise<string> {
  if (!managerListen) throw new SluiceError('SLUICE_CONFIG_INVALID', 'SLUICE_MANAGER_LISTEN: is off')
  const { host, port } = managerListen
  try {
    return await app.listen({ host, port })
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    if (!isTaken) throw new SluiceError('SLUICE_CONFIG_INVALID', `SLUICE_MANAGER_LISTEN: ${messageOf(error)}`)
    throw new SluiceError('SLUICE_PORT_IN_USE', `SLUICE_MANAGER_LISTEN: ${host}:${port} is taken`)
  }
}
