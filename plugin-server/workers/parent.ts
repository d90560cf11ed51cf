/**
 * Several plugin server processes behind one socket.
 *
 * The parent binds the socket and holds it for its life; all workers accept from it, each when it has time. So the death
 * of a worker loses that worker's connections and nothing else: those that nobody has accepted yet wait for the next
 * one. It runs no plugin. Instances have their ids
 * from here, and all workers have made an instance before the one that Kong asked answers.
 */
import { systemClock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { type Health, openObservations } from '../../foundation/health.ts'
import type { Logger } from '../../foundation/log.ts'
import { createMetrics, joinMetrics } from '../../foundation/metrics.ts'
import type { Settings } from '../../foundation/settings.ts'
import { systemTimers } from '../../foundation/timers.ts'
import { openJwks } from '../jwks.ts'
import { blockersOf, createEndings, Lifecycle, type Server, serverOf } from '../lifecycle.ts'
import { bindShared } from '../transport/listener.ts'
import { WorkerPool } from './pool.ts'

export interface WorkersOptions {
  readonly count: number
  /** Folders of more plugins. */
  readonly folders: readonly string[]
  readonly takeOver: boolean
  readonly log: Logger
}

/**
 * Starts the workers; resolves when Kong can connect.
 *
 * @throws SluiceError where a worker can't start, or SLUICE_CONFIG_INVALID without shared state: in memory each worker
 * would count for itself, and grant every limit as many times as there are workers.
 */
export async function startWorkers(settings: Settings, options: WorkersOptions): Promise<Server> {
  const { count, log, folders, takeOver } = options
  if (settings.redisUrl === undefined && count > 1)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      '--workers needs SLUICE_REDIS_URL: in memory each worker would count for itself',
    )
  const endings = createEndings(log)
  const metrics = createMetrics()
  const restarts = metrics
    .counter('sluice_worker_restarts_total', 'Workers that died and were replaced.')
    .with({})
  const socket = bindShared({ path: settings.socket, group: settings.socketGroup, takeOver })
  endings.add(() => socket.close())
  const pool = new WorkerPool({
    settings,
    folders,
    log,
    clock: systemClock,
    timers: systemTimers,
    restarts,
    socketFd: socket.fd,
  })
  let lifecycle: Lifecycle | undefined
  try {
    endings.add(() => pool.kill())
    await Promise.all(Array.from({ length: count }, (_, number) => pool.start(number)))
    const text = async () => {
      const reports = await pool.report()
      return joinMetrics([await metrics.snapshot(), ...reports.map(one => one.metrics)])
    }
    const health = async () => healthOf(pool, count, blockersOf(lifecycle))
    const http = await openObservations({ address: settings.http, metrics: { text }, health, takeOver, log })
    endings.add(() => http.close())
    const jwks = await openJwks(settings, { clock: systemClock, log, takeOver })
    endings.add(() => jwks.close())
    const listener = await socket.publish()
    endings.add(() => listener.close())
    lifecycle = new Lifecycle({
      listener: { current: listener.current, stopAccepting: listener.close },
      http: [http, jwks],
      drain: succeeded => pool.drain(succeeded),
      endings,
      log,
    })
    log.info({ socket: settings.socket, workers: count, http: http.port, pid: process.pid }, 'serving')
    return serverOf(settings.socket, http, lifecycle)
  } catch (error) {
    await endings.run()
    throw error
  }
}

async function healthOf(pool: WorkerPool, count: number, blockers: readonly string[]): Promise<Health> {
  const reports = await pool.report()
  const missing = count - pool.size
  return {
    blockers: [...(pool.size === 0 ? ['no worker runs'] : []), ...blockers],
    problems: [
      ...(missing > 0 ? [`${missing} of ${count} workers are starting`] : []),
      ...new Set(reports.flatMap(one => one.problems)),
    ],
    warnings: [...new Set(reports.flatMap(one => one.warnings))],
  }
}
