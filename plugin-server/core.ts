/** What every form of the plugin server is made of, without its way to Kong: store, events, plugins, runtime. */
import { createEventPipeline, type EventPipeline } from '../events/pipeline.ts'
import type { Clock } from '../foundation/clock.ts'
import type { Health } from '../foundation/health.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import type { Store } from '../sdk/store.ts'
import { createEndings } from './lifecycle.ts'
import { Loopback, type LoopbackParts } from './loopback/loopback.ts'
import { createFetcher } from './runtime/fetcher.ts'
import { createHosts } from './runtime/host.ts'
import type { InstanceCoordinator } from './runtime/instance-coordinator.ts'
import type { Instances } from './runtime/instances.ts'
import { readPluginSettings } from './runtime/plugin-settings.ts'
import { type AnyPlugin, createRegistry, eventTypesOf, type Registry } from './runtime/registry.ts'
import { createRuntime, type Runtime } from './runtime/runtime.ts'

export interface CoreParts {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly metrics: Metrics
  /** Gives instances their ids; by default the process itself. */
  readonly coordinator?: (instances: Instances) => InstanceCoordinator
}

export interface Core {
  readonly store: Store
  readonly events: EventPipeline
  readonly registry: Registry
  readonly runtime: Runtime
  /** What is wrong, of all that stands behind Kong's connections. */
  health(): Pick<Health, 'problems' | 'warnings'>
  close(): Promise<void>
}

const WITHOUT_STORE = 'each tier decides by its on_store_error, and each breaker for this node'
/** A start waits no longer for Redis, which may be unavailable for hours. */
const STORE_WITHIN_MS = 500

/** @throws SluiceError for a plugin or a spool that can't be used; what was started is closed again. */
export async function startCore(
  settings: Settings,
  definitions: readonly AnyPlugin[],
  parts: CoreParts,
): Promise<Core> {
  const { clock, random, log, metrics } = parts
  const ownSettings = readPluginSettings(definitions, settings.environment)
  const endings = createEndings(log)
  try {
    const store = await openStore(settings, { clock, log, metrics })
    endings.add(() => store.close())
    const events = createEventPipeline(settings, { ...parts, types: eventTypesOf(definitions) })
    await events.start()
    endings.add(() => events.close())
    const fetcher = createFetcher()
    endings.add(fetcher.close)
    const { fetch } = fetcher
    const shared = {
      node: settings.node,
      clock,
      random,
      log,
      metrics,
      store,
      events: events.publisher,
      fetch,
    }
    const registry = createRegistry(definitions, createHosts(shared, ownSettings))
    endings.add(() => registry.close())
    const loopback = loopbackOf(settings, { store, clock, call: fetcher.call })
    const { coordinator } = parts
    const runtime = createRuntime({
      registry,
      clock,
      log,
      metrics,
      loopback,
      ...(coordinator && { coordinator }),
    })
    endings.add(() => runtime.close())
    // It has been connecting meanwhile; without this the first requests would be decided without it.
    if (!(await store.ready(STORE_WITHIN_MS)))
      log.warn({ reason: store.problem }, 'Redis unavailable: plugins decide locally until it can be reached')
    const health = () => ({
      problems: [
        ...(store.problem ? [`${store.problem}: ${WITHOUT_STORE}`] : []),
        ...(store.fault ? [store.fault] : []),
        ...runtime.problems(),
      ],
      warnings: events.problems(),
    })
    return { store, events, registry, runtime, health, close: endings.run }
  } catch (error) {
    await endings.run()
    throw error
  }
}

function loopbackOf(
  { proxyUrl, loopbackSecret: secret }: Settings,
  parts: Omit<LoopbackParts, 'proxyUrl' | 'secret'>,
): Loopback | undefined {
  return proxyUrl && secret ? new Loopback({ proxyUrl: () => proxyUrl, secret, ...parts }) : undefined
}

/** A server without Redis does not load its client. */
async function openStore(settings: Settings, parts: Omit<CoreParts, 'random'>): Promise<Store> {
  if (settings.redisUrl !== undefined)
    return (await import('./stores/create.ts')).createStore(settings, { ...parts, node: settings.node })
  return new (await import('./stores/memory.ts')).MemoryStore(parts)
}
