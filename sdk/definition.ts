/** What a plugin is to the runtime: the types of its definition, and of what its handlers are given. */
import type { Static, TObject } from 'typebox'
import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import type { Phase } from '../protocol/pdk/phases.ts'
import type { EventPublisher, EventType } from './event.ts'
import type { Fetch } from './fetch.ts'
import type { Need, PhaseKong } from './kong.ts'
import type { Store } from './store.ts'

/** What happens to the request when a phase fails or is late: 503, or on as if the plugin were not there. */
export type FailurePolicy = 'closed' | 'open'

/** A plugin that declares no settings. */
export type NoSettings = Readonly<Record<never, never>>

/**
 * What the process offers to a plugin. One a process; a plugin gets its own child logger.
 *
 * @template Own the settings that the plugin declares.
 */
export interface Host<Own = NoSettings> {
  /** Name of this node in events and metrics. */
  readonly node: string
  /** The plugin's own settings, no others. */
  readonly settings: Own
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly metrics: Metrics
  readonly store: Store
  readonly events: EventPublisher
  /** Calls other services. */
  readonly fetch: Fetch
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
  /**
   * Says at once how to take back what the handler has just done, such as the debit of a limit. It is called when the
   * request goes no further: this handler, or a later member of a composed plugin, ends it or fails, the handler is
   * late, or Kong goes away meanwhile.
   */
  readonly onRollback: (undo: Undo) => void
  /** Milliseconds since the event began, with those of the members before this one. */
  readonly elapsedMs: () => number
}

/** What all events of an instance and phase share. */
export type SharedContext<Config, Memory, Instance> = Omit<
  PhaseContext<Config, Memory, Instance>,
  'onRollback' | 'elapsedMs'
>

export type Needs<Config, Memory, Instance> =
  | readonly Need[]
  | ((context: SharedContext<Config, Memory, Instance>) => readonly Need[])

/** Takes back what a handler did. Must not throw, and can ask Kong nothing any more. */
export type Undo = () => void

/** May return how to undo what it did: as `onRollback`, for a handler that was left without an exit or a failure. */
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

export interface PluginDefinition<
  Schema extends TObject = TObject,
  Memory = unknown,
  Instance = unknown,
  Settings extends TObject = TObject,
> {
  /** The name in Kong: lower case, digits, dashes. */
  readonly name: string
  readonly version: string
  /** Kong runs higher priorities first. */
  readonly priority: number
  /** Declares the configuration: the TypeScript type, the check and Kong's schema all come from it. */
  readonly config: Schema
  /**
   * Settings of the process, which the plugin finds in `host.settings`. Each is read from `SLUICE_<PLUGIN>_<FIELD>`, or
   * from the variable that its option `env` names, or from the file that the same variable with `_FILE` names; all are
   * checked when the server starts. `secret: true` says that a value must never be shown.
   */
  readonly settings?: Settings
  /** Protocols on which the plugin may be used; Kong's default if absent. */
  readonly protocols?: readonly string[]
  /** Entities that the plugin can't be bound to; Kong refuses them in the Admin API. */
  readonly noScope?: readonly ('consumer' | 'route' | 'service')[]
  /** Default of the failure policy; a field `on_error` of the configuration overrides it. */
  readonly onError?: FailurePolicy
  /**
   * How long a phase may take, milliseconds; 1,000 by default, 100 for `log`. It may depend on the configuration. Where
   * that function throws or gives no such time, the phase fails.
   */
  readonly deadlineMs?: Readonly<Partial<Record<Phase, number | ((config: Static<Schema>) => number)>>>
  /** The types of the events that the plugin publishes, with the schemas of their data. */
  readonly events?: readonly EventType[]
  /**
   * Reads that a phase makes every time, so that they are asked for in the first write; a function where they depend on
   * the configuration. Where it throws, the phase fails.
   */
  readonly needs?: Readonly<Partial<Record<Phase, Needs<Static<Schema>, Memory, Instance>>>>
  /**
   * The log phase asks Kong for its `needs` and says nothing else: Kong's event is then ended in the write that asks,
   * before the handler has run, which saves Kong and this process a write and a wait. Any other call throws there. Not
   * for a handler whose work must be done when Kong is answered: Kong repeats what was under way in a process that is
   * killed. Takes no effect in MsgPack:1. A function where it depends on the configuration.
   */
  readonly endsLogFirst?: boolean | ((config: Static<Schema>) => boolean)
  /** Made once a process, before the first instance, and closed when the process drains. */
  readonly memory?: (host: Host<Static<Settings>>) => Memory
  /**
   * Made for each distinct configuration. A throw refuses the instance; its message should name the field.
   */
  readonly instance?: (
    config: Static<Schema>,
    context: { host: Host<Static<Settings>>; memory: Memory; scope: InstanceScope },
  ) => Instance
  readonly phases: Readonly<{ [P in Phase]?: PhaseHandler<P, Static<Schema>, Memory, Instance> }>
}
