import type { Plugin } from '../../entities/entities.ts'
import type { Exchange } from './exchange.ts'

export type PhaseHandler = (exchange: Exchange) => void | Promise<void>

/** What a plugin does with one configuration. A phase that throws or rejects makes the answer a 500. */
export interface Phases {
  /** Before routing; global plugins only. */
  readonly rewrite?: PhaseHandler
  readonly access?: PhaseHandler
  /** Before the head of the response is sent. */
  readonly headerFilter?: (exchange: Exchange) => void
  /** With the whole response of the upstream; a plugin that has this phase turns streaming off. */
  readonly response?: PhaseHandler
  /** After the response; nobody waits for it. */
  readonly log?: PhaseHandler
}

/** A plugin entity, and how Kong names its configuration. */
export interface PluginConfiguration {
  readonly entity: Plugin
  /** Kong's key of the configuration. */
  readonly key: string
  /** Differs for every configuration that was ever built, also for one that did not change. */
  readonly sequence: number
}

/** A plugin that can be configured: built in, or in a plugin server. */
export interface RunnablePlugin {
  /** Plugins with a higher one run earlier. */
  readonly priority: number
  /** Called for each configuration whenever any entity has changed. */
  configure(configuration: PluginConfiguration): Phases
}

/** A plugin entity, ready to run. */
export interface ConfiguredPlugin extends PluginConfiguration {
  readonly name: string
  readonly phases: Phases
}
