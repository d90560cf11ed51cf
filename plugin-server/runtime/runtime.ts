/** Answers Kong's calls: plugins, instances, events. The transport brings the calls, whatever their protocol. */
import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { BoundCounter, BoundGauge, Metrics } from '../../foundation/metrics.ts'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import type {
  CallHandler,
  EventListener,
  Exchange,
  InstanceStatus,
  PluginInfo,
} from '../../protocol/calls.ts'
import { isPhase } from '../../protocol/pdk/phases.ts'
import type { Loopback } from '../loopback/loopback.ts'
import { Deadlines } from './deadlines.ts'
import { type DispatchParts, dispatch } from './dispatch.ts'
import { createOwnCoordinator, type InstanceCoordinator } from './instance-coordinator.ts'
import { createInstances, type Instances } from './instances.ts'
import { EventMeter } from './meter.ts'
import { Refusals } from './refusals.ts'
import type { Registry } from './registry.ts'

const COLLECT_EVERY_MS = 60_000

export interface RuntimeParts {
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly timers?: Timers
  readonly loopback?: Loopback | undefined
  /** Gives instances their ids; by default this process itself. */
  readonly coordinator?: (instances: Instances) => InstanceCoordinator
}

export interface Runtime {
  readonly handler: CallHandler
  readonly instances: Instances
  /** Events under way. */
  readonly running: number
  /** What is wrong with deciding requests; one sentence each. */
  problems(): readonly string[]
  /** From now on no event begins; `handleEvent` answers as for an unknown instance. Resolves when none is running. */
  drain(): Promise<void>
  close(): void
}

export function createRuntime(parts: RuntimeParts): Runtime {
  return new PluginRuntime(parts)
}

class PluginRuntime implements Runtime, CallHandler {
  readonly instances: Instances
  readonly handler: CallHandler = this
  readonly #parts: RuntimeParts
  readonly #coordinator: InstanceCoordinator
  readonly #meter: EventMeter
  readonly #refusals: Refusals
  readonly #instanceGauge: BoundGauge
  readonly #unknownInstance: BoundCounter
  readonly #loadedAt: number
  readonly #dispatchParts: DispatchParts
  readonly #stopCollecting: () => void
  #running = 0
  #drained: (() => void) | undefined
  #draining: Promise<void> | undefined

  constructor(parts: RuntimeParts) {
    const { registry, clock, log, metrics, timers = systemTimers } = parts
    const plugins = [...registry.plugins.keys()]
    const now = () => clock.monotonic()
    this.#parts = parts
    this.instances = createInstances(registry, clock)
    this.#coordinator = parts.coordinator?.(this.instances) ?? createOwnCoordinator(this.instances, clock)
    this.#meter = new EventMeter({ metrics, log, clock, timers, plugins })
    this.#refusals = new Refusals(metrics, plugins, now)
    this.#instanceGauge = metrics.gauge('sluice_instances', 'Instances that are kept.').with({})
    this.#unknownInstance = metrics
      .counter('sluice_events_unknown_instance_total', 'Events for an instance that is not known.')
      .with({})
    this.#loadedAt = Math.floor(clock.now() / 1000)
    this.#dispatchParts = {
      loopback: parts.loopback,
      deadlines: new Deadlines(clock, timers),
      meter: this.#meter,
      now,
      ended: this.#ended,
    }
    this.#stopCollecting = timers.every(COLLECT_EVERY_MS, () => {
      this.#coordinator.collect()
      this.#instanceGauge.set(this.instances.size)
    })
  }

  get running(): number {
    return this.#running
  }

  get draining(): boolean {
    return this.#draining !== undefined
  }

  problems(): readonly string[] {
    return this.#refusals.problems()
  }

  drain(): Promise<void> {
    this.#draining ??= new Promise(resolve => {
      if (this.#running === 0) resolve()
      else this.#drained = resolve
    })
    return this.#draining
  }

  close(): void {
    this.#stopCollecting()
    this.#dispatchParts.deadlines.close()
    this.#meter.close()
  }

  // Properties of its own, so that who wraps the handler can spread it.
  readonly pluginNames = () => [...this.#parts.registry.plugins.keys()]

  readonly pluginInfo = (name: string): PluginInfo | undefined => {
    const plugin = this.#parts.registry.plugins.get(name)
    if (!plugin) return undefined
    const { Version: version, Priority: priority, Phases: phases, Schema } = plugin.dump
    return { name, version, priority, phases, schema: JSON.stringify(Schema), loadedAt: this.#loadedAt }
  }

  readonly startInstance = async (name: string, config: string): Promise<InstanceStatus> => {
    const { log } = this.#parts
    try {
      const status = await this.#coordinator.start(name, config)
      this.#instanceGauge.set(this.instances.size)
      log.debug({ plugin: name, instance: status.id }, 'instance started')
      return status
    } catch (error) {
      this.#refusals.add(name, messageOf(error))
      const code = error instanceof SluiceError ? error.code : undefined
      log.error({ plugin: name, code, reason: messageOf(error) }, 'instance refused')
      throw error
    }
  }

  readonly instanceStatus = (id: number) => this.instances.status(id)

  readonly closeInstance = (id: number) => {
    this.#coordinator.close(id)
    return this.instances.status(id)
  }

  readonly handleEvent = (id: number, phase: string, exchange: Exchange): EventListener | undefined => {
    if (this.#draining) return undefined
    if (!isPhase(phase)) {
      this.#parts.log.warn({ phase: phase.slice(0, 40) }, 'event of an unknown phase')
      // Not as for an unknown instance, or it would be repeated for ever.
      exchange.end()
      return { abandoned: () => {} }
    }
    const instance = this.instances.find(id)
    if (!instance) {
      this.#unknownInstance.add()
      return undefined
    }
    this.#running++
    return dispatch(instance, phase, exchange, this.#dispatchParts)
  }

  readonly #ended = () => {
    this.#running--
    if (this.#running === 0) this.#drained?.()
  }
}
