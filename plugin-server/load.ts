/** Loads other people's plugins from a folder: ours by `definePlugin`, and those of Kong's JavaScript plugin server. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import { fileFault } from '../foundation/file-fault.ts'
import { fromKongJsModule, isKongJsModule, type KongJsOptions } from './kong-js/module.ts'
import { type AnyPlugin, checkDefinition } from './runtime/registry.ts'

export interface BrokenPlugin {
  readonly file: string
  readonly reason: string
}

export interface LoadedPlugin {
  readonly file: string
  readonly plugin: AnyPlugin
}

export interface LoadedFolder {
  readonly plugins: readonly LoadedPlugin[]
  /** What could not be loaded, and why. The others are served. */
  readonly broken: readonly BrokenPlugin[]
}

const MODULE = /\.(js|mjs|cjs)$/

/**
 * Loads every module of a folder: a file, or a folder with `package.json` (`exports` or `main`) or an `index` file. A
 * folder that is itself such a package is one plugin. Names that begin with a dot, `node_modules`, tests and declarations are skipped.
 *
 * @throws SluiceError SLUICE_PLUGIN_LOAD where the folder can't be read.
 */
export async function loadFolder(folder: string, kongJs?: KongJsOptions): Promise<LoadedFolder> {
  const names = namesIn(folder)
  const plugins: LoadedPlugin[] = []
  const broken: BrokenPlugin[] = []
  // One plugin's own folder, or a folder of plugins.
  const isPlugin = mainOf(folder) !== undefined
  const files = isPlugin
    ? [folder]
    : names.filter(name => isCandidate(folder, name)).map(name => path.join(folder, name))
  for (const file of files) {
    try {
      plugins.push({ file, plugin: await loadPlugin(file, kongJs) })
    } catch (error) {
      broken.push({ file, reason: messageOf(error) })
    }
  }
  if (!isPlugin)
    for (const name of names.filter(one => isUncompiled(one, names)))
      broken.push({ file: path.join(folder, name), reason: 'is TypeScript: compile it to JavaScript (tsc)' })
  return { plugins, broken }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    const fault =
      (error as NodeJS.ErrnoException).code === 'ENOTDIR'
        ? `${folder} is a file: name the folder that holds it`
        : fileFault('read', folder, error)
    throw new SluiceError('SLUICE_PLUGIN_LOAD', `--plugins: ${fault}`, { cause: error })
  }
}

/** @throws whatever the module throws, or SLUICE_PLUGIN_LOAD, SLUICE_PLUGIN_INVALID */
export async function loadPlugin(file: string, kongJs?: KongJsOptions): Promise<AnyPlugin> {
  const entry = statSync(file).isDirectory() ? entryOf(file) : file
  const module = (await import(pathToFileURL(entry).href)) as Record<string, unknown>
  const plugin = pluginOf(module, path.parse(file).name, kongJs)
  checkDefinition(plugin)
  return plugin
}

function isCandidate(folder: string, name: string): boolean {
  if (name.startsWith('.') || name === 'node_modules' || name === 'package.json') return false
  if (statSync(path.join(folder, name), { throwIfNoEntry: false })?.isDirectory()) return true
  return MODULE.test(name) && !/\.(test|spec)\.[cm]?js$/.test(name)
}

/** A source in TypeScript without its JavaScript beside it. */
function isUncompiled(name: string, names: readonly string[]): boolean {
  const stem = /^([^.].*)\.[cm]?ts$/.exec(name)?.[1]
  if (stem === undefined || /\.(d|test|spec)$/.test(stem)) return false
  return !['.js', '.mjs', '.cjs'].some(ending => names.includes(stem + ending))
}

function mainOf(folder: string): string | undefined {
  const manifest = path.join(folder, 'package.json')
  if (!existsSync(manifest)) return undefined
  let fields: { readonly main?: unknown; readonly exports?: unknown } | null
  try {
    fields = JSON.parse(readFileSync(manifest, 'utf8'))
  } catch (error) {
    throw new SluiceError('SLUICE_PLUGIN_LOAD', `${manifest} is not JSON: ${messageOf(error)}`, {
      cause: error,
    })
  }
  const entry = typeof fields?.exports === 'string' ? fields.exports : fields?.main
  return typeof entry === 'string' ? path.join(folder, entry) : undefined
}

function entryOf(folder: string): string {
  const main = mainOf(folder)
  if (main !== undefined) {
    if (existsSync(main)) return main
    throw new SluiceError(
      'SLUICE_PLUGIN_LOAD',
      `${path.relative(folder, main)}, which its package.json names, does not exist: build the plugin (npm run build)`,
    )
  }
  const names = readdirSync(folder)
  for (const index of ['index.js', 'index.mjs', 'index.cjs', 'plugin.js'])
    if (names.includes(index)) return path.join(folder, index)
  throw new SluiceError(
    'SLUICE_PLUGIN_LOAD',
    'the folder has neither a package.json with `main` nor an index.js',
  )
}

function pluginOf(module: Record<string, unknown>, fileName: string, kongJs?: KongJsOptions): AnyPlugin {
  // CommonJS comes as the default export; beside it Node shows only those names that it can tell without running it.
  for (const exported of [module.default as Record<string, unknown> | undefined, module]) {
    if (isKongJsModule(exported)) return fromKongJsModule(exported, fileName, kongJs)
    const plugin = exported?.plugin
    if (typeof plugin === 'object' && plugin !== null) return plugin as AnyPlugin
  }
  throw new SluiceError(
    'SLUICE_PLUGIN_LOAD',
    'it exports neither `plugin` (made by definePlugin) nor a class `Plugin`',
  )
}
