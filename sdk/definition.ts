/** What a plugin is to the runtime: the types of its definition, and of what its handlers are given. */
import type { Static, TObject } from 'typebox'
import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import type { Phase } from '../protocol/pdk/phases.ts'
import type { EventPublisher, EventType } from './event.ts'
import type { Need, PhaseKong } from './kong.ts'
import type { Store } from './store.ts'

/** What happens to the request when a phase fails or is late: 503, or on as if the plugin were not there. */
export type FailurePolicy = 'closed' | 'open'

/** What the process offers to a plugin. One a process; a plugin gets its own child logger. */
export interface Host {
  readonly node: string
  readonly settings: Settings
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly metrics: Metrics
  readonly store: Store
  readonly events: EventPublisher
}

/** What Kong says about an instance besides its configuration. */
export interface InstanceScope {
  /** Id of the plugin entity in Kong. */
  readonly pluginId: string
  readonly workspaceId?: string
  /** Ids of the entities that the plugin entity is bound to; only those it is bound to. */
  readonly serviceId?: string
  readonly routeId?: string
  readonly consumerId?: string
  /** Kong's `instance_name`. */
  readonly instanceName?: string
}

/** What a phase handler is given besides `kong`. */
export interface PhaseContext<Config, Memory, Instance> {
  readonly config: Config
  readonly scope: InstanceScope
  /** What the plugin remembers in this process; outlives every instance. */
  readonly memory: Memory
  readonly instance: Instance
  /** Writes to the process's own log, with plugin and phase in each line; `kong.requestId()` has what is missing. */
  readonly log: Logger
}

/**
 * Takes back what a handler did, such as the debit of a limit. Called when a later member of a composed plugin ends
 * the request, when Kong goes away meanwhile, and when the handler itself was late; must not throw, and can ask Kong
 * nothing any more.
 */
export type Undo = () => void

/** May return how to undo what it did. */
export type PhaseHandler<P extends Phase, Config, Memory, Instance> = (
  kong: PhaseKong<P>,
  context: PhaseContext<Config, Memory, Instance>,
) => HandlerResult | Promise<HandlerResult>

// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one
export type HandlerResult = Undo | undefined | void

/** Resources that a plugin's memory may own. */
export interface Closeable {
  close?(): void | Promise<void>
}

export interface PluginDefinition<Schema extends TObject = TObject, Memory = unknown, Instance = unknown> {
  /** The name in Kong: lower case, digits, dashes. */
  readonly name: string
  readonly version: string
  /** Kong runs higher priorities first. */
  readonly priority: number
  /** Declares the configuration: the TypeScript type, the check and Kong's schema all come from it. */
  readonly config: Schema
  /** Protocols on which the plugin may be used; Kong's default where it is left out. */
  readonly protocols?: readonly string[]
  /** Entities that the plugin can't be bound to; Kong refuses them in the Admin API. */
  readonly noScope?: readonly ('consumer' | 'route' | 'service')[]
  /** Default of the failure policy; a field `on_error` of the configuration overrides it. */
  readonly onError?: FailurePolicy
  /** How long a phase may take, milliseconds; 1,000 where left out, 100 for `log`. */
  readonly deadlineMs?: Readonly<Partial<Record<Phase, number>>>
  /** The types of the events that the plugin publishes, with the schemas of their data. */
  readonly events?: readonly EventType[]
  /** Reads that a phase makes every time, so that they are asked for in the first write. */
  readonly needs?: Readonly<Partial<Record<Phase, readonly Need[]>>>
  /** Made once a process, before the first instance, and closed when the process drains. */
  readonly memory?: (host: Host) => Memory
  /**
   * Made for each distinct configuration. A throw refuses the instance; its message should name the field.
   */
  readonly instance?: (
    config: Static<Schema>,
    context: { host: Host; memory: Memory; scope: InstanceScope },
  ) => Instance
  readonly phases: Readonly<{ [P in Phase]?: PhaseHandler<P, Static<Schema>, Memory, Instance> }>
}
