/** The plugins of this process, each with what it remembers. */

import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { isPhase } from '../../protocol/pdk/phases.ts'
import { membersOf } from '../../sdk/compose.ts'
import type { Closeable, Host, PluginDefinition } from '../../sdk/definition.ts'
import type { EventType } from '../../sdk/event.ts'
import { describePlugin, type PluginDump } from './info.ts'

/** A plugin whose types of configuration, memory and instance nobody here knows. */
// biome-ignore lint/suspicious/noExplicitAny: handlers take their own plugin's types, which differ from plugin to plugin
export type AnyPlugin = PluginDefinition<any, any, any, any>

export interface RegisteredPlugin {
  readonly definition: AnyPlugin
  readonly dump: PluginDump
  readonly host: Host
  /** Outlives every instance. */
  readonly memory: unknown
  /** Of a composed plugin: who acts in its events, and where each finds its configuration. */
  readonly members: readonly { readonly field: string; readonly plugin: RegisteredPlugin }[]
}

interface Registered extends RegisteredPlugin {
  readonly closeMemory: () => void | Promise<void>
}

export interface Registry {
  readonly plugins: ReadonlyMap<string, RegisteredPlugin>
  /** @throws SLUICE_PLUGIN_UNKNOWN */
  find(name: string): RegisteredPlugin
  /** Closes what the plugins remember. */
  close(): Promise<void>
}

/**
 * @param hostFor gives a plugin what the process offers, with a logger of its own.
 * @throws SLUICE_PLUGIN_INVALID for a wrong definition or a name that is taken.
 */
export function createRegistry(
  definitions: readonly AnyPlugin[],
  hostFor: (plugin: string) => Host,
): Registry {
  const plugins = new Map<string, RegisteredPlugin>()
  // By their definitions: a plugin remembers the same alone and as a member.
  const registered = new Map<AnyPlugin, Registered>()
  const register = (definition: AnyPlugin): Registered => {
    const known = registered.get(definition)
    if (known) return known
    checkDefinition(definition)
    const host = hostFor(definition.name)
    // Made when the first instance needs it: a plugin that nobody uses costs nothing.
    let made: { readonly memory: unknown } | undefined
    const plugin: Registered = {
      definition,
      dump: describePlugin(definition),
      host,
      get memory() {
        made ??= { memory: definition.memory?.(host) }
        return made.memory
      },
      closeMemory: () => (made?.memory as Closeable | undefined)?.close?.(),
      members: membersOf(definition).map(member => ({
        field: member.field,
        plugin: register(member.definition),
      })),
    }
    registered.set(definition, plugin)
    return plugin
  }
  for (const definition of definitions) {
    if (plugins.has(definition.name))
      throw new SluiceError('SLUICE_PLUGIN_INVALID', `two plugins are named ${definition.name}`)
    plugins.set(definition.name, register(definition))
  }
  return {
    plugins,
    find(name) {
      const plugin = plugins.get(name)
      if (!plugin)
        throw new SluiceError('SLUICE_PLUGIN_UNKNOWN', `there is no plugin ${JSON.stringify(name)}`)
      return plugin
    },
    async close() {
      for (const { closeMemory, host } of registered.values()) {
        try {
          await closeMemory()
        } catch (error) {
          host.log.error({ reason: messageOf(error) }, 'closing the memory of a plugin failed')
        }
      }
    },
  }
}

/** @throws SLUICE_PLUGIN_INVALID */
export function checkDefinition(definition: AnyPlugin): void {
  const wrong = (what: string) =>
    new SluiceError('SLUICE_PLUGIN_INVALID', `plugin ${JSON.stringify(definition.name)}: ${what}`)
  if (typeof definition.name !== 'string' || !/^[a-z0-9][a-z0-9-]*$/.test(definition.name))
    throw wrong('the name may hold lower-case letters, digits and dashes only')
  if (typeof definition.version !== 'string' || !/^\d+\.\d+\.\d+/.test(definition.version))
    throw wrong('the version must be like 1.2.3')
  if (!Number.isInteger(definition.priority)) throw wrong('the priority must be an integer')
  const phases = Object.entries(definition.phases ?? {})
  if (phases.length === 0) throw wrong('it has no phases')
  for (const [phase, handler] of phases) {
    if (!isPhase(phase)) throw wrong(`${phase} is not a phase of Kong`)
    if (typeof handler !== 'function') throw wrong(`the phase ${phase} is not a function`)
  }
}

/** The types of events that the plugins publish, each once, those of members included. */
export function eventTypesOf(definitions: readonly AnyPlugin[]): EventType[] {
  const all = definitions.flatMap(plugin => [plugin, ...membersOf(plugin).map(member => member.definition)])
  return [...new Set(all.flatMap(plugin => plugin.events ?? []))]
}
