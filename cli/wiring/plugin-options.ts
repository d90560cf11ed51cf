import { type Command, Option } from 'commander'
import { findSchemaFault } from '../../kong/schema/metaschema.ts'
import type { KongJsOptions } from '../../plugin-server/kong-js/module.ts'
import type { BrokenPlugin } from '../../plugin-server/load.ts'
import { loadPlugins } from '../../plugin-server/plugins.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'

export interface PluginFlags {
  readonly plugins: readonly string[]
  readonly strict?: boolean
}

/** The options of every command that needs to know which plugins are served. */
export function withPluginOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--plugins <folder>', 'load the plugins of this folder, too; repeatable')
        .argParser((folder: string, before: readonly string[]) => [...before, folder])
        .default([] as string[], 'none'),
    )
    .option('--strict', 'fail when a plugin cannot be loaded')
}

/** Loads the plugins; those that cannot be loaded are named on stderr: stdout belongs to the command. */
export function loadAskedPlugins(flags: PluginFlags, kongJs?: KongJsOptions): Promise<AnyPlugin[]> {
  return loadPlugins({
    folders: flags.plugins,
    strict: flags.strict ?? false,
    ...(kongJs && { kongJs }),
    findSchemaFault,
    onBroken: warn,
  })
}

function warn({ file, reason }: BrokenPlugin): void {
  process.stderr.write(`sluice: skipped the plugin ${file}: ${reason}\n`)
}
