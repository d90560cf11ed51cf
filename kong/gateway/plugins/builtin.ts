import type { Logger } from '../../../foundation/log.ts'
import type { Plugin } from '../../entities/entities.ts'
import type { SchemaSpec } from '../../schema/spec.ts'
import type { Phases, RunnablePlugin } from '../proxy/plugin.ts'
import type { State } from '../state/state.ts'
import { recordedSchema, type SchemaRules } from './recorded-schema.ts'

/** The gateway, as far as its own plugins need it. */
export interface BuiltinHost {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A UUID, new at each call. */
  readonly newId: () => string
  readonly logger: Logger
  readonly state: State
  readonly node: { readonly id: string; readonly version: string }
  readonly traffic: () => { readonly totalRequests: number; readonly activeConnections: number }
}

/** An answer of a plugin's own part of the Admin API. */
export interface ApiAnswer {
  readonly status: number
  readonly type?: string
  readonly body?: string
}

/** A built-in plugin that runs, with what it remembers. */
export interface RunningPlugin<Config> {
  /** Called once for each entity, and again when that has changed. */
  configure(config: Config, entity: Plugin): Phases
  /** The plugin's own part of the Admin API; undefined for other paths. */
  api?(method: string, path: string): ApiAnswer | undefined | Promise<ApiAnswer | undefined>
  close?(): Promise<void>
}

/** A plugin that comes with Kong. */
export interface BundledPlugin {
  readonly name: string
  /** Plugins with a higher one run earlier. Kong's own numbers. */
  readonly priority: number
  readonly version: string
  readonly schema: SchemaSpec
  /** Whether the gateway runs it, or accepts its configuration only. */
  readonly runs: boolean
  start(host: BuiltinHost): BuiltinPlugin
}

/** A bundled plugin as the gateway holds it. */
export interface BuiltinPlugin extends RunnablePlugin, Pick<RunningPlugin<never>, 'api' | 'close'> {}

/** Kong gives all its plugins its own version. */
const VERSION = '3.9.3'

export interface PluginDefinition<Config> {
  readonly name: string
  readonly priority: number
  /** What the recorded schema can't say. */
  readonly rules?: SchemaRules
  start(host: BuiltinHost): RunningPlugin<Config>
}

/**
 * Defines a plugin that the gateway runs. `Config` names the fields of its schema that it reads, null where a field
 * has neither a default nor must be given.
 */
export function definePlugin<Config>(definition: PluginDefinition<Config>): BundledPlugin {
  const { name, priority, rules } = definition
  return {
    ...{ name, priority, version: VERSION, runs: true, schema: recordedSchema(name, rules) },
    start(host) {
      const running = definition.start(host)
      const known = new WeakMap<Plugin, Phases>()
      return {
        ...running,
        priority,
        configure({ entity }) {
          const phases = known.get(entity) ?? running.configure(entity.config as Config, entity)
          known.set(entity, phases)
          return phases
        },
      }
    },
  }
}

/** Names the plugins that would have touched this response, but which the gateway does not run. */
export const NOT_RUN_HEADER = 'X-Sluice-Not-Run'

/** Defines a plugin whose configuration is accepted, but which the gateway doesn't run. */
export function defineIdlePlugin(name: string, priority: number): BundledPlugin {
  return {
    ...{ name, priority, version: VERSION, runs: false, schema: recordedSchema(name) },
    start: () => ({
      priority,
      configure: () => ({
        headerFilter({ responseHeaders }) {
          const others = responseHeaders.get(NOT_RUN_HEADER)
          responseHeaders.set(NOT_RUN_HEADER, others === undefined ? name : `${others}, ${name}`)
        },
      }),
    }),
  }
}
