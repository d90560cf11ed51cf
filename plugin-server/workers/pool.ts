/** The worker processes: started, replaced when they die, asked for their reports. */
import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { randomInt } from 'node:crypto'
import type { Clock } from '../../foundation/clock.ts'
import { ERRORS, type ErrorCode, messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { BoundCounter } from '../../foundation/metrics.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { Timers } from '../../foundation/timers.ts'
import { Directory } from './directory.ts'
import { type FromWorker, SOCKET_FD, type ToWorker } from './messages.ts'

const COLLECT_EVERY_MS = 60_000
/** A worker that dies sooner than this after its start is started again only after a pause. */
const YOUNG_MS = 2000
const PAUSE_AFTER_YOUNG_DEATH_MS = 500
const REPORT_WITHIN_MS = 2000

export interface WorkerPoolParts {
  readonly settings: Settings
  /** Folders of more plugins. */
  readonly folders: readonly string[]
  readonly log: Logger
  readonly clock: Clock
  readonly timers: Timers
  readonly restarts: BoundCounter
  /** The socket that the workers accept from. */
  readonly socketFd: number
}

export interface WorkerReport {
  readonly metrics: unknown
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

interface Running {
  readonly number: number
  readonly process: ChildProcess
  readonly startedAtMs: number
}

export class WorkerPool {
  readonly #parts: WorkerPoolParts
  readonly #directory: Directory
  readonly #workers = new Map<number, Running>()
  readonly #reports = new Map<number, (report: WorkerReport) => void>()
  readonly #stopCollecting: () => void
  #reportCalls = 0
  #isLeaving = false

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts
    this.#directory = new Directory(parts.clock, randomInt(1, 0x7fff_ffff), (number, message) => {
      const worker = this.#workers.get(number)
      if (worker) this.#send(worker, message)
    })
    this.#stopCollecting = parts.timers.every(COLLECT_EVERY_MS, () => this.#directory.collect())
  }

  /** Workers that are ready. */
  get size(): number {
    return this.#workers.size
  }

  /**
   * Starts a worker; one that dies later is replaced.
   *
   * @throws SluiceError with the worker's own code where it can't start.
   */
  start(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { settings, folders, socketFd } = this.#parts
      const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'ipc']
      stdio[SOCKET_FD] = socketFd
      const child = fork(new URL('./worker.js', import.meta.url), { serialization: 'advanced', stdio })
      const worker: Running = {
        number,
        process: child,
        startedAtMs: this.#parts.clock.monotonic(),
      }
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          this.#joined(worker)
          resolve()
        } else if (message.kind === 'failed') reject(startFailure(message))
        else this.#hear(worker, message)
      })
      // It could not be started at all, for want of processes or memory: then there is no exit.
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        reject(diedEarly(number, signal ?? code))
        this.#left(worker, signal ?? code)
      })
      const instances = this.#directory.known()
      this.#send(worker, { kind: 'begin', worker: number, settings, folders, instances })
    })
  }

  /** Of all workers; one that does not answer in time is named as a problem, and missing in the sums. */
  report(): Promise<WorkerReport[]> {
    return Promise.all([...this.#workers.values()].map(worker => this.#ask(worker)))
  }

  /** Lets the workers finish their events; resolves when they have exited. */
  async drain(succeeded: boolean): Promise<void> {
    this.#stop()
    await Promise.all(
      [...this.#workers.values()].map(worker => {
        const exited = new Promise<void>(resolve => worker.process.once('exit', () => resolve()))
        this.#send(worker, { kind: 'drain', succeeded })
        return exited
      }),
    )
  }

  /** Ends those that are left at once. */
  kill(): void {
    this.#stop()
    for (const worker of this.#workers.values()) worker.process.kill('SIGKILL')
  }

  #stop(): void {
    this.#isLeaving = true
    this.#stopCollecting()
  }

  #joined(worker: Running): void {
    this.#workers.set(worker.number, worker)
    this.#directory.joined(worker.number)
  }

  #left(worker: Running, why: string | number | null): void {
    if (this.#workers.get(worker.number) !== worker) return
    this.#workers.delete(worker.number)
    this.#directory.left(worker.number)
    this.#replace(worker.number, worker.startedAtMs, why)
  }

  #replace(number: number, startedAtMs: number, why: string | number | null): void {
    if (this.#isLeaving) return
    const { clock, timers, log, restarts } = this.#parts
    restarts.add()
    const isYoung = clock.monotonic() - startedAtMs < YOUNG_MS
    const againInMs = isYoung ? PAUSE_AFTER_YOUNG_DEATH_MS : 0
    log.error({ worker: number, why, againInMs }, 'worker died')
    timers.after(againInMs, () => {
      if (this.#isLeaving) return
      const againAtMs = clock.monotonic()
      this.start(number).catch((error: unknown) => {
        log.error({ worker: number, reason: messageOf(error) }, 'worker failed to start')
        this.#replace(number, againAtMs, 'start')
      })
    })
  }

  #hear(worker: Running, message: FromWorker): void {
    switch (message.kind) {
      case 'start':
        this.#directory.start(worker.number, message)
        break
      case 'adopted':
        this.#directory.adopted(worker.number, message.call, message.refusal)
        break
      case 'close':
        this.#directory.close(message.id)
        break
      case 'used':
        this.#directory.used(message.times)
        break
      case 'reported':
        this.#reports.get(message.call)?.(message)
    }
  }

  #ask(worker: Running): Promise<WorkerReport> {
    return new Promise(resolve => {
      const call = this.#reportCalls++
      const settle = (report: WorkerReport) => {
        stopWaiting()
        this.#reports.delete(call)
        resolve(report)
      }
      const late = { metrics: [], problems: [`worker ${worker.number} does not answer`], warnings: [] }
      const stopWaiting = this.#parts.timers.after(REPORT_WITHIN_MS, () => settle(late))
      this.#reports.set(call, settle)
      this.#send(worker, { kind: 'report', call })
    })
  }

  #send(worker: Running, message: ToWorker): void {
    worker.process.send(message, error => {
      if (error)
        this.#parts.log.debug({ worker: worker.number, reason: error.message }, 'sending to a worker failed')
    })
  }
}

function startFailure({ code, message }: Extract<FromWorker, { kind: 'failed' }>): SluiceError {
  const known = code !== undefined && code in ERRORS ? (code as ErrorCode) : 'SLUICE_PLUGIN_LOAD'
  return new SluiceError(known, message)
}

const diedEarly = (number: number, why: string | number | null) =>
  new SluiceError('SLUICE_PLUGIN_LOAD', `worker ${number} ended with ${why} before it was ready`)
