import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../../foundation/errors.ts'
import type { Logger } from '../../../foundation/log.ts'
import type { SchemaSpec } from '../../schema/spec.ts'
import type { LogEntry, PdkEvent, PdkHost, Phase } from '../pdk/call.ts'
import type { Exchange } from '../pdk/exchange.ts'
import { PluginServerChild } from './child.ts'
import { type ConfiguredPlugin, instanceConfig } from './config.ts'
import { PATIENCE_MS } from './connections.ts'
import { ClaimError, WorkerInstances } from './instances.ts'
import { createMsgpackProtocol } from './msgpack.ts'
import { createProtobufProtocol } from './protobuf.ts'
import type { EventOutcome, PluginProtocol } from './protocol.ts'
import { type DumpedPlugin, queryPlugin } from './query.ts'
import { readPluginServers } from './settings.ts'

type RunPhase<E extends Exchange> = (exchange: E, plugin: ConfiguredPlugin) => Promise<void>

/** What a plugin does in each phase that it has. One that rejects makes the answer a 500. */
export interface ExternalHandler<E extends Exchange> {
  readonly priority: number
  readonly rewrite?: RunPhase<E>
  readonly access?: RunPhase<E>
  readonly response?: RunPhase<E>
  /** After the response; nobody waits for it. */
  readonly log?: RunPhase<E>
}

/** A plugin that runs in a plugin server. */
export interface ExternalPlugin<E extends Exchange> {
  readonly name: string
  readonly priority: number
  readonly version: string
  readonly phases: readonly string[]
  readonly schema: SchemaSpec
  readonly handler: ExternalHandler<E>
}

export interface PluginServers<E extends Exchange> {
  readonly plugins: readonly ExternalPlugin<E>[]
  /** Starts the servers that have a start command. */
  start(): void
  /** Ends the servers that were started here, and all connections. */
  close(): Promise<void>
}

export interface PluginServersOptions<E extends Exchange> {
  /** `KONG_PLUGINSERVER_…`, `KONG_PREFIX` and `KONG_NGINX_WORKER_PROCESSES`. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly host: PdkHost
  readonly log: Logger
  /** Makes the entry of `kong.log.serialize`, with these values of plugins. */
  readonly logEntry: (exchange: E, values: Exchange['serializeValues']) => LogEntry
  /** Kong's minute, where it is not said. */
  readonly patienceMs?: number
}

/** As many log events as nginx runs timers in a worker; Kong drops what comes above. */
const MAX_RUNNING_LOG_EVENTS = 4_096

/**
 * Asks the configured plugin servers for their plugins, one after the other as Kong does.
 *
 * @throws SLUICE_GATEWAY_CONFIG
 */
export async function createPluginServers<E extends Exchange>(
  options: PluginServersOptions<E>,
): Promise<PluginServers<E>> {
  const { environment, log } = options
  const servers = readPluginServers(environment)
  const workers = workerCount(environment)
  const external: { plugin: ExternalPlugin<E>; close: () => void }[] = []
  for (const server of servers)
    external.push(createExternalPlugin(await queryPlugin(server), server.socket, workers, options))
  const children: PluginServerChild[] = []
  return {
    plugins: external.map(({ plugin }) => plugin),
    start() {
      for (const { name, startCommand } of servers)
        if (startCommand !== undefined) children.push(new PluginServerChild(name, startCommand, log))
    },
    async close() {
      for (const { close } of external) close()
      await Promise.all(children.map(child => child.close()))
    },
  }
}

/** Each of Kong's workers has instances of its own; here a client's connection stays with one. */
function workerCount(environment: PluginServersOptions<Exchange>['environment']): number {
  const count = Number(environment.KONG_NGINX_WORKER_PROCESSES)
  return Number.isInteger(count) && count > 0 ? count : 1
}

function createExternalPlugin<E extends Exchange>(
  dumped: DumpedPlugin,
  socketPath: string,
  workerTotal: number,
  { host, log, logEntry, patienceMs = PATIENCE_MS }: PluginServersOptions<E>,
): { plugin: ExternalPlugin<E>; close: () => void } {
  const { name, protocol: protocolName } = dumped
  const workers = Array.from({ length: workerTotal }, () => new WorkerInstances(ms => sleep(ms)))
  const reset = () => {
    for (const worker of workers) worker.reset(name)
  }
  const protocolOptions = { plugin: name, socketPath, patienceMs, host }
  const protocol: PluginProtocol =
    protocolName === 'ProtoBuf:1'
      ? createProtobufProtocol(protocolOptions)
      : createMsgpackProtocol({
          ...protocolOptions,
          onServerChange: reset,
          onUnknownMethod: method => log.error(`could not find pdk method: ${method}`),
        })
  let runningLogEvents = 0

  /** @throws Error when the instance can't be started, or claimed. */
  function instanceOf(plugin: ConfiguredPlugin, exchange: Exchange): number | Promise<number> {
    const index = exchange.clientPort % workerTotal
    const worker = workers[index]!
    // Every worker builds its configurations itself, and numbers them apart.
    const sequence = (plugin.sequence - 1) * workerTotal + index + 1
    const key = plugin.entity.id
    return (
      worker.find(key, sequence) ??
      worker.start({
        plugin: name,
        key,
        sequence,
        start: () => protocol.startInstance(instanceConfig(plugin, sequence, exchange.node.workspaceId)),
        close: id => protocol.closeInstance(id),
      })
    )
  }

  async function run(phase: Phase, exchange: E, plugin: ConfiguredPlugin): Promise<void> {
    const event: PdkEvent = {
      phase,
      exchange,
      plugin: { name, id: plugin.entity.id },
      ...(phase === 'log' && { entry: entryOf(exchange) }),
    }
    for (;;) {
      let outcome: EventOutcome
      try {
        const instanceId = instanceOf(plugin, exchange)
        outcome = await protocol.handleEvent(
          typeof instanceId === 'number' ? instanceId : await instanceId,
          event,
        )
      } catch (error) {
        log.error(`starting instance: ${messageOf(error)}`)
        if (!(error instanceof ClaimError)) throw error
        outcome = { kind: 'failed', error: error.message }
      }
      switch (outcome.kind) {
        case 'ended':
        case 'exited':
          return
        case 'raised':
          throw new Error(outcome.error)
        case 'failed':
          if (protocol.isRepeated(outcome.error)) {
            reset()
            log.warn(`plugin ${name}: ${outcome.error}`)
            continue
          }
          log.error(`pluginserver error: ${outcome.error}`)
          if (protocol.failsClosed && phase !== 'log') exchange.respondError(500)
          return
      }
    }
  }

  async function runLog(exchange: E, plugin: ConfiguredPlugin): Promise<void> {
    if (runningLogEvents >= MAX_RUNNING_LOG_EVENTS * workerTotal) return
    runningLogEvents++
    try {
      await run('log', exchange, plugin)
    } finally {
      runningLogEvents--
    }
  }

  /** Kong makes the entry when the phase begins; here it is made when it is asked for, as it stood then. */
  function entryOf(exchange: E): () => LogEntry {
    const values = exchange.serializeValues.slice()
    let entry: LogEntry | undefined
    return () => {
      entry ??= logEntry(exchange, values)
      return entry
    }
  }

  const { phases } = dumped
  const phaseOf = (phase: Phase) => (exchange: E, plugin: ConfiguredPlugin) => run(phase, exchange, plugin)
  return {
    plugin: {
      ...dumped,
      handler: {
        priority: dumped.priority,
        ...(phases.includes('rewrite') && { rewrite: phaseOf('rewrite') }),
        ...(phases.includes('access') && { access: phaseOf('access') }),
        ...(phases.includes('response') && { response: phaseOf('response') }),
        ...(phases.includes('log') && { log: runLog }),
      },
    },
    close: () => protocol.close(),
  }
}
