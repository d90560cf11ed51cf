/** Answers Kong's calls: plugins, instances, events. The transport brings the calls, whatever their protocol. */
import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Metrics } from '../../foundation/metrics.ts'
import type { CallHandler } from '../../protocol/calls.ts'
import { isPhase } from '../../protocol/pdk/phases.ts'
import { Deadlines } from './deadlines.ts'
import { type DispatchParts, dispatch } from './dispatch.ts'
import { createInstances, type Instances } from './instances.ts'
import { createEventMeter } from './meter.ts'
import { createOwnOffice, type Office } from './office.ts'
import { Refusals } from './refusals.ts'
import type { Registry } from './registry.ts'

const COLLECT_EVERY_MS = 60_000

export interface RuntimeParts {
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Who gives instances their ids; this process itself where it is left out. */
  readonly office?: (instances: Instances) => Office
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
  const { registry, clock, log, metrics } = parts
  const instances = createInstances(registry, clock)
  const office = parts.office?.(instances) ?? createOwnOffice(instances, clock)
  const now = () => clock.monotonic()
  const meter = createEventMeter(metrics, log, now, registry.plugins.keys())
  const instanceGauge = metrics.gauge('sluice_instances', 'Instances that are kept.').with({})
  const refusals = new Refusals(metrics, registry.plugins.keys(), now)
  const unknown = metrics.counter(
    'sluice_events_unknown_instance_total',
    'Events for an instance that is not known.',
  )
  const unknownInstance = unknown.with({})
  const loadedAt = Math.floor(clock.now() / 1000)

  let running = 0
  let drained: (() => void) | undefined
  let draining = false
  const dispatchParts: DispatchParts = {
    deadlines: new Deadlines(now),
    meter,
    now,
    ended: () => {
      running--
      if (running === 0) drained?.()
    },
  }
  const collecting = setInterval(() => {
    office.collect()
    instanceGauge.set(instances.size)
  }, COLLECT_EVERY_MS)
  collecting.unref()

  const handler: CallHandler = {
    get draining() {
      return draining
    },
    pluginNames: () => [...registry.plugins.keys()],
    pluginInfo(name) {
      const plugin = registry.plugins.get(name)
      if (!plugin) return undefined
      const { dump } = plugin
      return {
        name,
        version: dump.Version,
        priority: dump.Priority,
        phases: dump.Phases,
        schema: JSON.stringify(dump.Schema),
        loadedAt,
      }
    },
    async startInstance(name, config) {
      try {
        const status = await office.start(name, config)
        instanceGauge.set(instances.size)
        log.debug({ plugin: name, instance: status.id }, 'an instance started')
        return status
      } catch (error) {
        refusals.add(name, messageOf(error))
        const code = error instanceof SluiceError ? error.code : undefined
        log.error({ plugin: name, code, reason: messageOf(error) }, 'an instance was refused')
        throw error
      }
    },
    instanceStatus: id => instances.status(id),
    closeInstance(id) {
      office.close(id)
      return instances.status(id)
    },
    handleEvent(instanceId, phase, exchange) {
      if (draining) return undefined
      if (!isPhase(phase)) {
        log.warn({ phase: phase.slice(0, 40) }, 'an event of a phase that Kong does not have')
        // Not as for an unknown instance, or it would be repeated for ever.
        exchange.end()
        return { abandoned: () => {} }
      }
      const instance = instances.find(instanceId)
      if (!instance) {
        unknownInstance.add()
        return undefined
      }
      running++
      return dispatch(instance, phase, exchange, dispatchParts)
    },
  }

  return {
    handler,
    instances,
    get running() {
      return running
    },
    problems: () => refusals.problems(),
    drain() {
      draining = true
      if (running === 0) return Promise.resolve()
      return new Promise(resolve => {
        drained = resolve
      })
    },
    close() {
      clearInterval(collecting)
      meter.close()
    },
  }
}
