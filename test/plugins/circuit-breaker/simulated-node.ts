import { Create } from 'typebox/value'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { ProbeKind } from '../../../plugins/circuit-breaker/breaker.ts'
import type { Outcome } from '../../../plugins/circuit-breaker/classify.ts'
import { type Config, configSchema, readConfig } from '../../../plugins/circuit-breaker/config.ts'
import { BREAKER_EVENTS } from '../../../plugins/circuit-breaker/events.ts'
import {
  BreakerRegistry,
  type Decision,
  type RegistryHost,
} from '../../../plugins/circuit-breaker/registry.ts'
import type { RegistryEntry } from '../../../plugins/circuit-breaker/registry-entry.ts'
import type { Store } from '../../../sdk/store.ts'
import { type RecordedEvents, recordEvents } from '../../support/events.ts'
import { partial } from '../../support/partial.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'

const silent = (): void => {}
const log = {
  fatal: silent,
  error: silent,
  warn: silent,
  info: silent,
  debug: silent,
  trace: silent,
  level: 'silent',
}

export const configOf = (values: Partial<Config> = {}): Config => ({
  ...(Create(configSchema) as Config),
  ...values,
})

export interface RequestOptions {
  readonly slow?: boolean
  /** Its log event never comes. */
  readonly lost?: boolean
  readonly kind?: ProbeKind
}

export interface SimulatedNode {
  readonly registry: BreakerRegistry
  readonly clock: TestClock
  readonly events: RecordedEvents
  readonly store: Store
  readonly entry: RegistryEntry
  /** One request whose upstream does as it is told; undefined: it was rejected. */
  request(outcome: Outcome, options?: RequestOptions): Promise<Decision>
  /** The end of a request that was admitted. */
  finish(decision: Decision, outcome: Outcome, options?: { slow?: boolean; startedAtMs?: number }): void
  phase(): string
}

/** A node of the plugin server with one breaker, without Kong. */
export async function createNode(
  options: {
    config?: Partial<Config>
    store?: Store
    clock?: TestClock
    name?: string
    key?: string
    random?: () => number
  } = {},
): Promise<SimulatedNode> {
  const clock = options.clock ?? createTestClock()
  const metrics = createMetrics()
  const events = recordEvents(BREAKER_EVENTS)
  const host = partial<RegistryHost>({
    node: options.name ?? 'n1',
    clock,
    random: options.random ?? (() => 0.5),
    log: { ...log, child: () => log },
    metrics,
    store: options.store ?? new MemoryStore({ clock, metrics }),
    events,
  })
  const registry = new BreakerRegistry(host)
  const configured = registry.configure(readConfig(configOf(options.config), { pluginId: 'p' }))
  const entry = registry.open(options.key ?? 'service:s', configured, 'echo')
  await entry.loading

  const finish: SimulatedNode['finish'] = (
    decision,
    outcome,
    { slow = false, startedAtMs = clock.now() } = {},
  ) => {
    const mark = decision.kind === 'probe' ? decision.mark : undefined
    registry.record(entry, { outcome, upstreamMs: 1, startedAtMs, mark }, slow)
  }
  return {
    registry,
    clock,
    events,
    store: host.store,
    entry,
    finish,
    async request(outcome, { slow = false, lost = false, kind = 'request' } = {}) {
      const decision = await registry.decide(entry, () => kind)
      if (decision.kind !== 'reject' && !lost) finish(decision, outcome, { slow })
      return decision
    },
    phase: () => {
      const { shared, own } = entry.breaker
      return shared.phase === 'closed' ? own.phase : shared.phase
    },
  }
}

/** Lets promises that are under way come to an end. */
export const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
