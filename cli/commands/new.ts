import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { makeGivenFolder } from '../wiring/given-files.ts'

const TEMPLATES = new URL('./new/', import.meta.url)
const FILES = ['plugin.ts', 'plugin.test.ts', 'package.json', 'tsconfig.json']

interface NewFlags {
  readonly folder?: string
}

export const command = new Command()
  .argument('<name>', 'name of the plugin in Kong: lower case, digits, dashes')
  .option('--folder <folder>', 'where to put it (default: a folder with its name)')
  .action(async (name: string, flags: NewFlags) => {
    if (!/^[a-z][a-z0-9-]*$/.test(name))
      throw new SluiceError(
        'SLUICE_CLI_USAGE',
        `${JSON.stringify(name)} is not a valid plugin name: use lower-case letters, digits and dashes`,
      )
    const owner = await ownerOf(name)
    if (owner !== undefined)
      throw new SluiceError('SLUICE_CLI_USAGE', `${owner} has a plugin ${name}: choose another name`)
    const folder = path.resolve(flags.folder ?? name)
    if (existsSync(folder)) throw new SluiceError('SLUICE_CLI_USAGE', `${folder} already exists`)
    makeGivenFolder('--folder', folder)
    for (const file of FILES) {
      const template = readFileSync(new URL(`${file}.tmpl`, TEMPLATES), 'utf8')
      writeFileSync(
        path.join(folder, file),
        template.replaceAll('__NAME__', name).replaceAll('__SLUICE__', dependency(folder)),
      )
    }
    const where = path.relative(process.cwd(), folder) || '.'
    process.stdout.write(
      [
        `${where}: a plugin and its test.`,
        '',
        `  cd ${where} && npm install && npm test`,
        `  sluice serve --plugins ${where} …   # its name in Kong is ${name}`,
        '',
      ].join('\n'),
    )
  })

/** Who has a plugin of this name already: Kong would refuse ours, or take one for the other. */
async function ownerOf(name: string): Promise<string | undefined> {
  const [{ BUNDLED_PLUGINS }, { loadShippedPlugins }] = await Promise.all([
    import('../../kong/gateway/plugins/bundled.ts'),
    import('../../plugin-server/plugins.ts'),
  ])
  if (Object.hasOwn(BUNDLED_PLUGINS, name)) return 'Kong'
  return (await loadShippedPlugins()).some(plugin => plugin.name === name) ? 'Sluice' : undefined
}

/**
 * The package that runs now, as npm names a folder: the package is on no registry, and a version
 * would fail to install, or bring whatever another puts there under the same name.
 */
const dependency = (folder: string) => {
  const own = fileURLToPath(new URL('../../../', import.meta.url))
  return `file:${path.relative(realpathSync(folder), own).replaceAll(path.sep, '/')}`
}
