/**
 * One worker: a plugin server without a socket of its own. Kong's connections come from the parent, and the parent
 * gives instances their ids, so that an instance is known to all workers before Kong hears of it.
 */
import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger, type Logger } from '../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../foundation/metrics.ts'
import type { InstanceStatus } from '../../protocol/calls.ts'
import { type Core, startCore } from '../core.ts'
import { kongJsOptions } from '../kong-js/module.ts'
import { loadPlugins } from '../plugins.ts'
import type { Instances } from '../runtime/instances.ts'
import type { Office } from '../runtime/office.ts'
import { outliveStrayErrors } from '../stray-errors.ts'
import { type Acceptor, createAcceptor } from '../transport/server.ts'
import type { FromWorker, ToWorker } from './messages.ts'

type Begin = Extract<ToWorker, { kind: 'begin' }>

interface Waiting {
  readonly settle: (id: number) => void
  readonly refuse: (error: Error) => void
}

const LEAVE_AFTER_MS = 65_000

const tell = (message: FromWorker) => void process.send?.(message)

class Worker {
  readonly #core: Core
  readonly #acceptor: Acceptor
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #office: RemoteOffice

  constructor(core: Core, acceptor: Acceptor, office: RemoteOffice, log: Logger, metrics: Metrics) {
    this.#core = core
    this.#acceptor = acceptor
    this.#office = office
    this.#log = log
    this.#metrics = metrics
  }

  hear(message: ToWorker, socket: Socket | undefined): void {
    switch (message.kind) {
      case 'connection':
        tell({ kind: 'taken', connection: message.connection })
        if (!socket) {
          tell({ kind: 'closed' })
          return
        }
        this.#acceptor.accept(socket, () => tell({ kind: 'closed' }))
        socket.resume()
        return
      case 'adopt':
        tell({ kind: 'adopted', call: message.call, refusal: this.#office.adopt(message) })
        return
      case 'forget':
        for (const id of message.ids) this.#core.runtime.instances.forget(id)
        return
      case 'started':
      case 'refused':
        this.#office.answered(message)
        return
      case 'report':
        void this.#report(message.call)
        return
      case 'drain':
        void this.drain(message.succeeded)
    }
  }

  async #report(call: number): Promise<void> {
    const metrics = await this.#metrics.snapshot()
    tell({ kind: 'reported', call, metrics, ...this.#core.health() })
  }

  /** @param succeeded another server has taken the path over: Kong moves each connection there with its next event. */
  async drain(succeeded: boolean): Promise<void> {
    const deadline = Date.now() + LEAVE_AFTER_MS
    await Promise.race([this.#core.runtime.drain(), pause(LEAVE_AFTER_MS)])
    while (succeeded && this.#acceptor.connections > 0 && Date.now() < deadline) await pause(50)
    await this.#acceptor.close()
    await this.#core.close()
    this.#log.info('a worker ended')
    process.exit(0)
  }
}

/** Asks the parent, who asks all workers. */
class RemoteOffice implements Office {
  readonly #instances: Instances
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(instances: Instances) {
    this.#instances = instances
  }

  async start(name: string, json: string): Promise<InstanceStatus> {
    const { key, entity } = this.#instances.read(name, json)
    const call = this.#calls++
    const id = await new Promise<number>((settle, refuse) => {
      this.#waiting.set(call, { settle, refuse })
      tell({ kind: 'start', call, name, config: json, key, entity })
    })
    return this.#instances.status(id)!
  }

  /** @returns why this worker can't have the instance. */
  adopt({ id, name, config }: { id: number; name: string; config: string }): string | undefined {
    try {
      this.#instances.adopt(id, this.#instances.read(name, config))
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  answered(message: Extract<ToWorker, { kind: 'started' | 'refused' }>): void {
    const waiting = this.#waiting.get(message.call)
    this.#waiting.delete(message.call)
    if (message.kind === 'started') waiting?.settle(message.id)
    else waiting?.refuse(new SluiceError('SLUICE_PLUGIN_CONFIG', message.reason))
  }

  close(id: number): void {
    tell({ kind: 'close', id })
  }

  collect(): void {
    tell({ kind: 'used', times: this.#instances.ids().map(id => [id, this.#instances.usedAtMs(id)]) })
  }
}

async function begin({ worker, settings, folders, instances }: Begin): Promise<Worker> {
  const log = createLogger(settings.logLevel).child({ worker })
  const metrics = createMetrics({ process: true })
  const plugins = await loadPlugins({
    folders,
    strict: false,
    kongJs: kongJsOptions(settings),
    onBroken: () => {},
  })
  let office: RemoteOffice | undefined
  const core = await startCore(settings, plugins, {
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
    office: made => {
      office = new RemoteOffice(made)
      return office
    },
  })
  for (const known of instances) {
    const refusal = office!.adopt(known)
    if (refusal !== undefined) log.error({ plugin: known.name, reason: refusal }, 'an instance is missing')
  }
  const acceptor = createAcceptor({
    handler: core.runtime.handler,
    log,
    firstEventId: randomInt(0, 0x7fff_ffff),
    msgpack: false,
  })
  outliveStrayErrors(log)
  tell({ kind: 'ready', plugins: [...core.registry.plugins.keys()], store: core.store.kind })
  return new Worker(core, acceptor, office!, log, metrics)
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

let running: Worker | undefined
process.on('message', (message: ToWorker, socket: Socket | undefined) => {
  if (message.kind !== 'begin') {
    running?.hear(message, socket)
    return
  }
  begin(message).then(
    worker => {
      running = worker
    },
    (error: unknown) => {
      tell({
        kind: 'failed',
        code: error instanceof SluiceError ? error.code : undefined,
        message: messageOf(error),
      })
      process.exit(1)
    },
  )
})
// Without its parent nobody would hand it connections, or start its successor.
process.on('disconnect', () => {
  if (running) void running.drain(false)
  else process.exit(1)
})
// The parent tells when to leave; a signal to the whole group must not come first.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
