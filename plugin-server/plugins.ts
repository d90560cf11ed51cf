/** Which plugins are served: those that Sluice ships, and those of the folders that the operator names. */
import { SluiceError } from '../foundation/errors.ts'
import type { KongJsOptions } from './kong-js/module.ts'
import type { BrokenPlugin } from './load.ts'
import type { AnyPlugin } from './runtime/registry.ts'

type Load = () => Promise<{ readonly plugin: AnyPlugin }>

/** Each is loaded when it is needed. One line a plugin. */
const SHIPPED: readonly Load[] = [
  () => import('../plugins/circuit-breaker/plugin.ts'),
  () => import('../plugins/qos/plugin.ts'),
  () => import('../plugins/key-auth-audit/plugin.ts'),
  () => import('../plugins/sluice/plugin.ts'),
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
  /** Told of each plugin that is left out. */
  readonly onBroken: (broken: BrokenPlugin) => void
}

/**
 * @throws SluiceError SLUICE_PLUGIN_LOAD for a folder that can't be read, and in strict mode for any broken plugin.
 */
export async function loadPlugins({
  folders,
  strict,
  kongJs,
  onBroken,
}: PluginFolders): Promise<AnyPlugin[]> {
  const plugins = await loadShippedPlugins()
  if (folders.length === 0) return plugins
  const { loadFolder } = await import('./load.ts')
  const broken: BrokenPlugin[] = []
  for (const folder of folders) {
    const loaded = await loadFolder(folder, kongJs)
    broken.push(...loaded.broken)
    for (const plugin of loaded.plugins) {
      if (plugins.some(other => other.name === plugin.name))
        broken.push({ file: folder, reason: `another plugin has the name ${plugin.name}` })
      else plugins.push(plugin)
    }
  }
  if (strict && broken.length > 0)
    throw new SluiceError(
      'SLUICE_PLUGIN_LOAD',
      `plugins that can't be loaded:\n  ${broken.map(({ file, reason }) => `${file}: ${reason}`).join('\n  ')}`,
    )
  for (const one of broken) onBroken(one)
  return plugins
}
