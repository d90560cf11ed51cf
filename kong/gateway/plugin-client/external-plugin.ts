import { messageOf } from '../../../foundation/errors.ts'
import type { Logger } from '../../../foundation/log.ts'
import type { SchemaSpec } from '../../schema/spec.ts'
import type { LogEntry, PdkEvent, PdkHost, Phase } from '../pdk/call.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { logEntry } from '../proxy/log-entry.ts'
import type { Phases, PluginConfiguration, RunnablePlugin } from '../proxy/plugin.ts'
import { instanceConfig } from './config.ts'
import { ClaimError, WorkerInstances } from './instances.ts'
import { MsgpackProtocol } from './msgpack.ts'
import { createProtobufProtocol } from './protobuf.ts'
import type { EventOutcome, PluginProtocol } from './protocol.ts'
import type { DumpedPlugin } from './query.ts'

export interface ExternalPluginOptions {
  readonly dumped: DumpedPlugin
  readonly socketPath: string
  /** Each of Kong's workers has instances of its own; here a client's connection stays with one. */
  readonly workers: number
  readonly host: PdkHost
  readonly log: Logger
  /** How long an idle connection is kept, and how long an answer is waited for. */
  readonly patienceMs: number
  readonly sleep: (ms: number) => Promise<void>
}

/** As many log events as nginx runs timers in a worker; Kong drops the rest. */
const MAX_RUNNING_LOG_EVENTS = 4_096
const REQUEST_PHASES = ['rewrite', 'access', 'response'] as const

/** A plugin that runs in a plugin server. */
export class ExternalPlugin implements RunnablePlugin {
  readonly name: string
  readonly priority: number
  readonly version: string
  readonly schema: SchemaSpec
  readonly phases: readonly string[]
  readonly #log: Logger
  readonly #workers: readonly WorkerInstances[]
  readonly #protocol: PluginProtocol
  #runningLogEvents = 0

  constructor({ dumped, socketPath, workers, host, log, patienceMs, sleep }: ExternalPluginOptions) {
    this.name = dumped.name
    this.priority = dumped.priority
    this.version = dumped.version
    this.schema = dumped.schema
    this.phases = dumped.phases
    this.#log = log
    this.#workers = Array.from({ length: workers }, () => new WorkerInstances(sleep))
    const options = { plugin: dumped.name, socketPath, patienceMs, host }
    this.#protocol =
      dumped.protocol === 'ProtoBuf:1'
        ? createProtobufProtocol(options)
        : new MsgpackProtocol({
            ...options,
            onServerChange: () => this.#reset(),
            onUnknownMethod: method => log.error(`could not find pdk method: ${method}`),
          })
  }

  configure(configuration: PluginConfiguration): Phases {
    const present = REQUEST_PHASES.filter(phase => this.phases.includes(phase))
    const run = (phase: Phase) => (exchange: Exchange) => this.#run(phase, exchange, configuration)
    return {
      ...Object.fromEntries(present.map(phase => [phase, run(phase)])),
      ...(this.phases.includes('log') && {
        log: (exchange: Exchange) => this.#runLog(exchange, configuration),
      }),
    }
  }

  close(): void {
    this.#protocol.close()
  }

  #reset(): void {
    for (const worker of this.#workers) worker.reset(this.name)
  }

  /** @throws Error when the instance can't be started, or claimed. */
  #instanceOf(configuration: PluginConfiguration, exchange: Exchange): number | Promise<number> {
    const index = exchange.peer.port % this.#workers.length
    const worker = this.#workers[index]
    if (!worker) throw new RangeError(`no worker ${index}`)
    // Every worker builds its configurations itself, and numbers them apart.
    const sequence = (configuration.sequence - 1) * this.#workers.length + index + 1
    const key = configuration.entity.id
    return (
      worker.find(key, sequence) ??
      worker.start({
        plugin: this.name,
        key,
        sequence,
        start: () =>
          this.#protocol.startInstance(instanceConfig(configuration, sequence, exchange.node.workspaceId)),
        close: id => this.#protocol.closeInstance(id),
      })
    )
  }

  /** Runs a phase, again where Kong repeats the event. @throws Error where Kong answers 500 */
  async #run(phase: Phase, exchange: Exchange, configuration: PluginConfiguration): Promise<void> {
    const event: PdkEvent = {
      phase,
      exchange,
      plugin: { name: this.name, id: configuration.entity.id },
      ...(phase === 'log' && { entry: entryOf(exchange) }),
    }
    for (;;) {
      const outcome = await this.#handle(event, configuration)
      if (outcome.kind === 'ended' || outcome.kind === 'exited') return
      if (outcome.kind === 'raised') throw new Error(outcome.error)
      if (!this.#protocol.isRepeated(outcome.error)) {
        this.#log.error(`pluginserver error: ${outcome.error}`)
        if (this.#protocol.failsClosed && phase !== 'log') exchange.respondError(500)
        return
      }
      this.#reset()
      this.#log.warn(`plugin ${this.name}: ${outcome.error}`)
    }
  }

  async #handle(event: PdkEvent, configuration: PluginConfiguration): Promise<EventOutcome> {
    try {
      const instanceId = this.#instanceOf(configuration, event.exchange)
      return await this.#protocol.handleEvent(
        typeof instanceId === 'number' ? instanceId : await instanceId,
        event,
      )
    } catch (error) {
      this.#log.error(`starting instance: ${messageOf(error)}`)
      if (!(error instanceof ClaimError)) throw error
      return { kind: 'failed', error: error.message }
    }
  }

  async #runLog(exchange: Exchange, configuration: PluginConfiguration): Promise<void> {
    if (this.#runningLogEvents >= MAX_RUNNING_LOG_EVENTS * this.#workers.length) return
    this.#runningLogEvents++
    try {
      await this.#run('log', exchange, configuration)
    } finally {
      this.#runningLogEvents--
    }
  }
}

/** Kong makes the entry when the phase begins; here it is made when it is asked for, as it stood then. */
function entryOf(exchange: Exchange): () => LogEntry {
  const values = exchange.serializeValues.slice()
  let entry: LogEntry | undefined
  return () => {
    entry ??= logEntry(exchange, values)
    return entry
  }
}
