/** Which plugins are served: those that Sluice ships, and those of the folders that the operator names. */
import { messageOf, SluiceError } from '../foundation/errors.ts'
import type { KongJsOptions } from './kong-js/module.ts'
import type { BrokenPlugin } from './load.ts'
import { describePlugin } from './runtime/info.ts'
import type { AnyPlugin } from './runtime/registry.ts'

type Load = () => Promise<{ readonly plugin: AnyPlugin }>

/** Each is loaded when it is needed. One line a plugin. */
const SHIPPED: readonly Load[] = [
  () => import('../plugins/circuit-breaker/plugin.ts'),
  () => import('../plugins/qos/plugin.ts'),
  () => import('../plugins/aggregate/plugin.ts'),
  () => import('../plugins/request-log/plugin.ts'),
  () => import('../plugins/upstream-token/plugin.ts'),
  () => import('../plugins/key-auth-audit/plugin.ts'),
  () => import('../plugins/sluice/plugin.ts'),
  () => import('../plugins/response-cache/plugin.ts'),
]

export async function loadShippedPlugins(): Promise<AnyPlugin[]> {
  const modules = await Promise.all(SHIPPED.map(load => load()))
  return modules.map(({ plugin }) => plugin).sort((a, b) => b.priority - a.priority)
}

export interface PluginFolders {
  /** Folders of more plugins (`--plugins`). */
  readonly folders: readonly string[]
  /** Refuse to start with a plugin that can't be loaded. */
  readonly strict: boolean
  /** For modules that were written for Kong's JavaScript plugin server. */
  readonly kongJs?: KongJsOptions
  /** What Kong would refuse in the schema of a plugin's dump, which keeps Kong from starting; undefined for nothing. */
  readonly findSchemaFault?: (schema: unknown) => string | undefined
  /** Called for each plugin that is not loaded. */
  readonly onBroken: (broken: BrokenPlugin) => void
}

/**
 * @throws SluiceError SLUICE_PLUGIN_LOAD for a folder that can't be read or gives no plugin, and in strict mode for any
 * broken plugin.
 */
export async function loadPlugins(options: PluginFolders): Promise<AnyPlugin[]> {
  const plugins = await loadShippedPlugins()
  if (options.folders.length === 0) return plugins
  const { loadFolder } = await import('./load.ts')
  const broken: BrokenPlugin[] = []
  for (const folder of options.folders) {
    const loaded = await loadFolder(folder, options.kongJs)
    const refused = [...loaded.broken]
    const before = plugins.length
    for (const { file, plugin } of loaded.plugins) {
      const reason = whyRefused(plugin, plugins, options)
      if (reason === undefined) plugins.push(plugin)
      else refused.push({ file, reason })
    }
    if (plugins.length === before) throw loadFailure(`no plugin in the folder ${folder}`, refused)
    broken.push(...refused)
  }
  if (options.strict && broken.length > 0) throw loadFailure("plugins that can't be loaded", broken)
  for (const one of broken) options.onBroken(one)
  return plugins
}

function whyRefused(
  plugin: AnyPlugin,
  others: readonly AnyPlugin[],
  { findSchemaFault }: PluginFolders,
): string | undefined {
  if (others.some(other => other.name === plugin.name)) return `another plugin has the name ${plugin.name}`
  try {
    const fault = findSchemaFault?.(describePlugin(plugin).Schema)
    return fault === undefined ? undefined : `Kong would not start with its schema: ${fault}`
  } catch (error) {
    return messageOf(error)
  }
}

function loadFailure(what: string, broken: readonly BrokenPlugin[]): SluiceError {
  const reasons = broken.map(({ file, reason }) => `\n  ${file}: ${reason}`)
  return new SluiceError('SLUICE_PLUGIN_LOAD', `${what}${reasons.length === 0 ? '' : ':'}${reasons.join('')}`)
}
