/** What Kong is told about a plugin: the `query_cmd`'s answer. */

import type { Protocol } from '../../protocol/calls.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import type { PluginDefinition } from '../../sdk/definition.ts'
import { type KongField, kongFields } from './schema.ts'

export interface PluginDump {
  readonly Name: string
  readonly Version: string
  readonly Priority: number
  readonly Phases: readonly Phase[]
  readonly Schema: { readonly name: string; readonly fields: readonly Record<string, KongField>[] }
}

export interface Dump {
  readonly Protocol: Protocol
  /** Kong ignores it; people read it. */
  readonly SocketPath: string
  readonly Plugins: readonly PluginDump[]
}

/** @throws SLUICE_PLUGIN_INVALID where the configuration can't be expressed in Kong. */
export function describePlugin(plugin: PluginDefinition): PluginDump {
  const config: KongField = {
    type: 'record',
    // So that defaults appear when the configuration is omitted.
    required: true,
    fields: kongFields(plugin.config, `${plugin.name}: config`),
    ...((plugin.config as { kong?: KongField }).kong ?? {}),
  }
  const fields: Record<string, KongField>[] = (plugin.noScope ?? []).map(scope => ({
    [scope]: { type: 'foreign', reference: `${scope}s`, eq: null },
  }))
  if (plugin.protocols)
    fields.push({
      protocols: {
        type: 'set',
        required: true,
        default: plugin.protocols,
        elements: { type: 'string', one_of: plugin.protocols },
      },
    })
  fields.push({ config })
  return {
    Name: plugin.name,
    Version: plugin.version,
    Priority: plugin.priority,
    Phases: Object.keys(plugin.phases) as Phase[],
    Schema: { name: plugin.name, fields },
  }
}

export function createDump(
  plugins: readonly PluginDefinition[],
  protocol: Protocol,
  socketPath: string,
): Dump {
  return { Protocol: protocol, SocketPath: socketPath, Plugins: plugins.map(describePlugin) }
}
