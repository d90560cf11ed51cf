/**
 * One worker: a plugin server without a socket of its own. It accepts from the one that the parent has bound, and the
 * parent gives instances their ids, so that an instance exists in all workers before Kong knows its id.
 */
import { randomInt } from 'node:crypto'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger, type Logger } from '../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../foundation/metrics.ts'
import type { InstanceStatus } from '../../protocol/calls.ts'
import { type Core, startCore } from '../core.ts'
import { kongJsOptions } from '../kong-js/module.ts'
import { drainEvents } from '../lifecycle.ts'
import { loadPlugins } from '../plugins.ts'
import type { InstanceCoordinator } from '../runtime/instance-coordinator.ts'
import type { Instances } from '../runtime/instances.ts'
import { outliveStrayErrors } from '../stray-errors.ts'
import { acceptFrom } from '../transport/listener.ts'
import { type Acceptor, createAcceptor } from '../transport/server.ts'
import { createFairAccept } from './fair-accept.ts'
import { type FromWorker, SOCKET_FD, type ToWorker } from './messages.ts'

type Begin = Extract<ToWorker, { kind: 'begin' }>

interface Waiting {
  readonly settle: (id: number) => void
  readonly refuse: (error: Error) => void
}

const tell = (message: FromWorker) => void process.send?.(message)

interface WorkerParts {
  readonly core: Core
  readonly acceptor: Acceptor
  readonly stopAccepting: () => void
  readonly coordinator: RemoteCoordinator
  readonly log: Logger
  readonly metrics: Metrics
}

class Worker {
  readonly #parts: WorkerParts
  #drained: Promise<void> | undefined

  constructor(parts: WorkerParts) {
    this.#parts = parts
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case 'adopt':
        tell({ kind: 'adopted', call: message.call, refusal: this.#parts.coordinator.adopt(message) })
        return
      case 'forget':
        for (const id of message.ids) this.#parts.core.runtime.instances.forget(id)
        return
      case 'started':
      case 'refused':
        this.#parts.coordinator.answered(message)
        return
      case 'report':
        void this.#report(message.call)
        return
      case 'drain':
        void this.drain(message.succeeded)
    }
  }

  async #report(call: number): Promise<void> {
    const metrics = await this.#parts.metrics.snapshot()
    tell({ kind: 'reported', call, metrics, ...this.#parts.core.health() })
  }

  /**
   * Once, also where the parent goes away meanwhile: a second time nothing would be left to close, and the process would
   * end before the first has closed all.
   *
   * @param succeeded another server has taken the path over: Kong moves each connection there with its next event.
   */
  drain(succeeded: boolean): Promise<void> {
    this.#drained ??= this.#drain(succeeded)
    return this.#drained
  }

  async #drain(succeeded: boolean): Promise<void> {
    const { runtime } = this.#parts.core
    // With a successor nobody finds the way here any more, but a connection may still wait to be accepted.
    if (!succeeded) this.#parts.stopAccepting()
    const connections = () => this.#parts.acceptor.connections
    await drainEvents(succeeded, { runtime, connections, clock: systemClock, log: this.#parts.log })
    await this.#parts.acceptor.close()
    await this.#parts.core.close()
    this.#parts.log.info('worker ended')
    process.exit(0)
  }
}

/** Asks the parent, who asks all workers. */
class RemoteCoordinator implements InstanceCoordinator {
  readonly #instances: Instances
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(instances: Instances) {
    this.#instances = instances
  }

  async start(name: string, json: string): Promise<InstanceStatus> {
    const read = this.#instances.read(name, json)
    const { key, entity } = read
    const call = this.#calls++
    const id = await new Promise<number>((settle, refuse) => {
      this.#waiting.set(call, { settle, refuse })
      tell({ kind: 'start', call, name, config: json, key, entity })
    })
    // One that others started while this worker was starting is not among those that it began with.
    return this.#instances.adopt(id, read)
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
  let coordinator: RemoteCoordinator | undefined
  const core = await startCore(settings, plugins, {
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
    coordinator: made => {
      coordinator = new RemoteCoordinator(made)
      return coordinator
    },
  })
  for (const known of instances) {
    const refusal = coordinator!.adopt(known)
    if (refusal !== undefined) log.error({ plugin: known.name, reason: refusal }, 'instance refused')
  }
  const acceptor = createAcceptor({
    handler: core.runtime.handler,
    log,
    firstEventId: randomInt(0, 0x7fff_ffff),
    msgpack: false,
  })
  const leaveToOthers = createFairAccept({ now: () => systemClock.monotonic(), sleep })
  const accept = (connection: Parameters<Acceptor['accept']>[0]) => {
    acceptor.accept(connection)
    leaveToOthers()
  }
  const { close: stopAccepting } = await acceptFrom(SOCKET_FD, { accept, acceptHandle: accept })
  outliveStrayErrors(log)
  tell({ kind: 'ready', plugins: [...core.registry.plugins.keys()], store: core.store.kind })
  return new Worker({ core, acceptor, stopAccepting, coordinator: coordinator!, log, metrics })
}

const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4))
const sleep = (ms: number) => void Atomics.wait(NOBODY_WAKES, 0, 0, ms)

let running: Worker | undefined
process.on('message', (message: ToWorker) => {
  if (message.kind !== 'begin') {
    running?.hear(message)
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
// The parent decides when to drain; a signal to the whole process group must not come first.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
