/** The composition root of the manager: settings → wiring → listen → close. */
import { createEventPipeline, type EventPipeline } from '../events/pipeline.ts'
import { type Clock, systemClock } from '../foundation/clock.ts'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import { createLogger, type Logger } from '../foundation/log.ts'
import { createMetrics, type Metrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import { systemTimers, type Timers } from '../foundation/timers.ts'
import { BREAKER_EVENTS } from '../plugins/circuit-breaker/events.ts'
import { QOS_EVENTS } from '../plugins/qos/events.ts'
import { CACHE_EVENTS } from '../plugins/response-cache/events.ts'
import { type RunningCatalogue, startCatalogue } from './catalogue/start.ts'
import { History } from './changes/history.ts'
import { TIMING, type Timing } from './changes/timing.ts'
import { Changing } from './changing.ts'
import { Database } from './database.ts'
import { EntityReads } from './entities/reads.ts'
import { type FaultPoint, noFaults } from './fault-point.ts'
import { Live } from './live/live.ts'
import { ManagerMetrics } from './metrics.ts'
import type { Parts } from './module.ts'
import { OperatorAccess } from './operators/operator-access.ts'
import { createServer } from './server.ts'

export interface ManagerOptions {
  readonly log?: Logger
  readonly clock?: Clock
  readonly timers?: Timers
  /** Uniform in [0, 1). */
  readonly random?: () => number
  readonly fault?: FaultPoint
  readonly timing?: Timing
}

export interface Manager {
  /** As bound: the port is a real one where 0 was asked for. */
  readonly url: string
  /** Whether this process has the right to write. */
  readonly isHolding: boolean
  close(): Promise<void>
}

/**
 * Starts the manager; resolves when it listens.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_MANAGER_DATABASE, SLUICE_MANAGER_SCHEMA, SLUICE_PORT_IN_USE
 */
export async function startManager(settings: Settings, options: ManagerOptions = {}): Promise<Manager> {
  const endings: (() => Promise<void>)[] = []
  const close = async () => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    return await start(settings, options, endings, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  settings: Settings,
  options: ManagerOptions,
  endings: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Manager> {
  const { clock = systemClock, timers = systemTimers, random = Math.random } = options
  const { log = createLogger(settings.logLevel), fault = noFaults, timing = TIMING } = options
  const metrics = createMetrics({ process: true })
  const database = openDatabase(settings, log)
  endings.push(() => database.close())
  await database.migrate()
  const events: EventPipeline = createEventPipeline(
    { ...settings, spoolDir: settings.managerSpoolDir },
    { clock, log, metrics, random, timers, types: [...QOS_EVENTS, ...BREAKER_EVENTS, ...CACHE_EVENTS] },
  )
  endings.push(() => events.close())
  await events.start()
  const common = { settings, database, clock, timers, log }
  const changing = new Changing({ ...common, random, fault, timing, events: events.publisher })
  endings.push(() => changing.close())
  await changing.start()
  const isHolding = () => changing.holder.isHolding
  const measured = new ManagerMetrics({ metrics, database, timers, isHolding })
  endings.push(async () => measured.close())
  const live = new Live(common)
  endings.push(() => live.close())
  let catalogue: RunningCatalogue | undefined
  const parts: Parts = {
    ...common,
    metrics: { ...metrics, text: () => textOf(metrics, measured) },
    access: new OperatorAccess(settings, database, events.publisher, clock),
    changes: changing.changes,
    history: new History(database),
    reads: new EntityReads(database, changing.sealer, () => clock.now()),
    mirror: changing.mirror,
    drift: changing.drift,
    schemas: changing.schemas,
    kong: changing.kong,
    live,
    events: events.publisher,
    catalogue: () => catalogue?.list(),
    readiness: changing.readiness,
    problems: () => [...changing.problems, ...events.problems()],
  }
  const app = await createServer(parts)
  endings.push(() => app.close())
  const url = await listen(app, settings)
  log.info({ url, pid: process.pid }, 'managing')
  catalogue = await openCatalogue(settings, { ...common, endings })
  return {
    url,
    get isHolding() {
      return isHolding()
    },
    close,
  }
}

function textOf(metrics: Metrics, measured: ManagerMetrics): Promise<string> {
  measured.refresh()
  return metrics.text()
}

/** Without Kong's proxy there is no catalogue: documents are fetched through it. */
async function openCatalogue(
  settings: Settings,
  { log, timers, endings }: { log: Logger; timers: Timers; endings: (() => Promise<void>)[] },
): Promise<RunningCatalogue | undefined> {
  if (!settings.catalogueListen || settings.proxyUrl === undefined) return undefined
  const catalogue = await startCatalogue(settings, { log, timers })
  endings.push(() => catalogue.close())
  return catalogue
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
