/**
 * Several plugin server processes behind one socket.
 *
 * The parent owns the listening socket for its life and hands each connection to the worker with the fewest; so the
 * death of a worker loses that worker's connections and nothing else. It runs no plugin. Instances have their ids
 * from here, and all workers have made an instance before the one that Kong asked answers.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { systemClock } from '../../foundation/clock.ts'
import { ERRORS, type ErrorCode, SluiceError } from '../../foundation/errors.ts'
import { type Health, openObservations } from '../../foundation/health.ts'
import type { Logger } from '../../foundation/log.ts'
import { createMetrics, joinMetrics } from '../../foundation/metrics.ts'
import type { Settings } from '../../foundation/settings.ts'
import { createEndings } from '../core.ts'
import type { Server } from '../main.ts'
import { listen } from '../transport/listener.ts'
import { Directory } from './directory.ts'
import type { FromWorker, ToWorker } from './messages.ts'

const SUCCESSOR_CHECK_MS = 250
const COLLECT_EVERY_MS = 60_000
/** A worker that dies sooner than this after its start is started again only after a pause. */
const YOUNG_MS = 2000
const PAUSE_AFTER_YOUNG_DEATH_MS = 500
const REPORT_WITHIN_MS = 2000

export interface WorkersOptions {
  readonly count: number
  /** Folders of more plugins. */
  readonly folders: readonly string[]
  readonly takeOver: boolean
  readonly log: Logger
}

interface Running {
  readonly number: number
  readonly process: ChildProcess
  readonly startedAtMs: number
  connections: number
  /** On their way to the worker, and still open here: where it dies first, Kong must read their end and not wait. */
  readonly underWay: Map<number, Socket>
}

interface Report extends Pick<Health, 'problems' | 'warnings'> {
  readonly metrics: unknown
}

/**
 * Starts the workers; resolves when Kong can connect.
 *
 * @throws SluiceError where a worker can't start, or SLUICE_CONFIG_INVALID without shared state: in memory each worker
 * would count for itself, and grant every limit as many times as there are workers.
 */
export async function startWorkers(settings: Settings, options: WorkersOptions): Promise<Server> {
  const { count, log } = options
  if (settings.redisUrl === undefined && count > 1)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      '--workers needs SLUICE_REDIS_URL: in memory each worker would count for itself',
    )
  const endings = createEndings(log)
  const workers = new Map<number, Running>()
  const reports = new Map<number, (report: Report) => void>()
  const metrics = createMetrics()
  const restarts = metrics
    .counter('sluice_worker_restarts_total', 'Workers that died and were replaced.')
    .with({})
  let reportCalls = 0
  let connections = 0
  let leaving = false

  // A handle that Node itself keeps until it was taken is never closed when the worker dies before.
  const send = (worker: Running, message: ToWorker, socket?: Socket) =>
    worker.process.send(message, socket, { keepOpen: true }, error => {
      if (error) log.debug({ worker: worker.number, reason: error.message }, 'a message was not taken')
    })
  const directory = new Directory(systemClock, randomInt(1, 0x7fff_ffff), (worker, message) => {
    const running = workers.get(worker)
    if (running) send(running, message)
  })

  const hear = (worker: Running, message: FromWorker) => {
    switch (message.kind) {
      case 'start':
        directory.start(worker.number, message)
        break
      case 'adopted':
        directory.adopted(worker.number, message.call, message.refusal)
        break
      case 'close':
        directory.close(message.id)
        break
      case 'used':
        directory.used(message.times)
        break
      case 'taken':
        worker.underWay.get(message.connection)?.destroy()
        worker.underWay.delete(message.connection)
        break
      case 'closed':
        worker.connections--
        break
      case 'reported':
        reports.get(message.call)?.(message)
        reports.delete(message.call)
    }
  }

  /** Resolves when the worker is ready; rejects when it can't be. */
  const start = (number: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(new URL('./worker.js', import.meta.url), { serialization: 'advanced' })
      const worker: Running = {
        number,
        process: child,
        startedAtMs: Date.now(),
        connections: 0,
        underWay: new Map(),
      }
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          workers.set(number, worker)
          directory.joined(number)
          resolve()
        } else if (message.kind === 'failed') {
          const code =
            message.code !== undefined && message.code in ERRORS ? message.code : 'SLUICE_PLUGIN_LOAD'
          reject(new SluiceError(code as ErrorCode, message.message))
        } else hear(worker, message)
      })
      child.on('exit', (code, signal) => {
        reject(
          new SluiceError(
            'SLUICE_PLUGIN_LOAD',
            `worker ${number} ended with ${signal ?? code} before it was ready`,
          ),
        )
        if (workers.get(number) !== worker) return
        workers.delete(number)
        for (const socket of worker.underWay.values()) socket.destroy()
        directory.left(number)
        if (!leaving) replace(worker, signal ?? code)
      })
      send(worker, {
        kind: 'begin',
        worker: number,
        settings,
        folders: options.folders,
        instances: directory.known(),
      })
    })

  const replace = (dead: Running, why: string | number | null) => {
    restarts.add()
    const young = Date.now() - dead.startedAtMs < YOUNG_MS
    log.error({ worker: dead.number, why, again: young ? 'after a pause' : 'now' }, 'a worker died')
    setTimeout(
      () => {
        if (!leaving)
          start(dead.number).catch((error: unknown) => {
            log.error({ worker: dead.number, reason: String(error) }, 'a worker did not start')
            replace({ ...dead, startedAtMs: Date.now() }, 'start')
          })
      },
      young ? PAUSE_AFTER_YOUNG_DEATH_MS : 0,
    )
  }

  /** What does not answer in time, or is not there at all, is a problem of readiness and missing in the sums. */
  const report = async (): Promise<Report[]> => {
    const asked = [...workers.values()].map(
      worker =>
        new Promise<Report>(resolve => {
          const call = reportCalls++
          const late = { metrics: [], problems: [`worker ${worker.number} does not answer`], warnings: [] }
          const timer = setTimeout(() => {
            reports.delete(call)
            resolve(late)
          }, REPORT_WITHIN_MS)
          reports.set(call, found => {
            clearTimeout(timer)
            resolve(found)
          })
          send(worker, { kind: 'report', call })
        }),
    )
    return Promise.all(asked)
  }

  try {
    endings.add(() => {
      for (const worker of workers.values()) worker.process.kill('SIGKILL')
    })
    await Promise.all(Array.from({ length: count }, (_, number) => start(number)))
    const health = async (): Promise<Health> => {
      const reports = await report()
      const missing = count - workers.size
      return {
        blockers: [
          ...(workers.size === 0 ? ['no worker runs'] : []),
          ...(leaving ? ['the server is draining'] : []),
        ],
        problems: [
          ...(missing > 0 ? [`${missing} of ${count} workers are starting`] : []),
          ...new Set(reports.flatMap(one => one.problems)),
        ],
        warnings: [...new Set(reports.flatMap(one => one.warnings))],
      }
    }
    const http = await openObservations({
      address: settings.http,
      metrics: {
        text: async () =>
          joinMetrics([await metrics.snapshot(), ...(await report()).map(one => one.metrics)]),
      },
      health,
      takeOver: options.takeOver,
      log,
    })
    endings.add(() => http.close())
    const listener = await listen({
      path: settings.socket,
      group: settings.socketGroup,
      takeOver: options.takeOver,
      paused: true,
      accept(socket) {
        const [least] = [...workers.values()].sort((a, b) => a.connections - b.connections)
        // Kong connects again at once.
        if (!least) return void socket.destroy()
        least.connections++
        least.underWay.set(++connections, socket)
        send(least, { kind: 'connection', connection: connections }, socket)
      },
    })
    endings.add(() => listener.close())

    let resolveEnded: () => void
    const ended = new Promise<void>(resolve => {
      resolveEnded = resolve
    })
    let end: Promise<void> | undefined
    const leave = async () => {
      leaving = true
      clearInterval(checking)
      clearInterval(collecting)
      const succeeded = !listener.current()
      log.info({ workers: workers.size, succeeded }, 'draining')
      // With a successor nobody finds the way here any more, but a connection may still wait to be accepted.
      if (!succeeded) listener.close()
      // The port is the successor's now; without one, it tells that this server is draining.
      if (succeeded) await http.close()
      await Promise.all(
        [...workers.values()].map(
          worker =>
            new Promise<void>(resolve => {
              worker.process.once('exit', () => resolve())
              send(worker, { kind: 'drain', succeeded })
            }),
        ),
      )
      await endings.run()
      log.info('ended')
      resolveEnded()
    }
    const close = () => {
      end ??= leave()
      return end
    }
    const checking = setInterval(() => {
      if (!listener.current()) void close()
    }, SUCCESSOR_CHECK_MS)
    const collecting = setInterval(() => directory.collect(), COLLECT_EVERY_MS)
    collecting.unref()

    log.info({ socket: settings.socket, workers: count, http: http.port, pid: process.pid }, 'serving')
    return {
      socket: settings.socket,
      get httpPort() {
        return http.port
      },
      ended,
      close,
    }
  } catch (error) {
    leaving = true
    await endings.run()
    throw error
  }
}
