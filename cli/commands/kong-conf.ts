import path from 'node:path'
import { Command, Option } from 'commander'
import { messageOf } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { writeDumpsBeside } from '../wiring/dump-files.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface KongConfFlags extends PluginFlags {
  readonly format: 'env' | 'conf'
  readonly socket?: string
  readonly dumpDir?: string
}

export const command = withPluginOptions(new Command())
  .addOption(
    new Option('--format <format>', 'environment variables, or lines of kong.conf')
      .choices(['env', 'conf'])
      .default('env'),
  )
  .option('--socket <path>', "the socket as Kong sees it (SLUICE_SOCKET's value)")
  .option(
    '--dump-dir <folder>',
    'folder of `sluice dump --out` as Kong sees it; without it, the dumps are written to SOCKET.dump',
  )
  .action(async (flags: KongConfFlags) => {
    // Kong starts elsewhere.
    const socket = path.posix.resolve(flags.socket ?? readSettings().socket)
    const plugins = await loadAskedPlugins(flags)
    const names = plugins.map(({ name }) => name)
    const dumps = flags.dumpDir ?? dumpsBeside(socket, plugins)
    const folders = flags.plugins.flatMap(folder => ['--plugins', path.resolve(folder)])
    const lines = kongSettings(names, socket, name =>
      dumps === undefined
        ? shellCommand(process.execPath, process.argv[1]!, 'dump', '--plugin', name, ...folders)
        : shellCommand('cat', path.posix.resolve(dumps, `${name}.json`)),
    )
    const print = flags.format === 'env' ? envLine : confLine
    process.stdout.write(`${lines.map(print).join('\n')}\n`)
  })

/** Kong reads files at its start rather than wait for a Node.js a plugin: seconds, on a busy machine. */
function dumpsBeside(socket: string, plugins: readonly AnyPlugin[]): string | undefined {
  try {
    return writeDumpsBeside(socket, plugins)
  } catch (error) {
    process.stderr.write(
      `no dumps beside the socket (${messageOf(error)}), so Kong will run \`sluice dump\` for each plugin when it starts: write them with \`sluice dump --out DIR\`, and give --dump-dir DIR\n`,
    )
    return undefined
  }
}

/** Kong gives a query_cmd to the shell. */
const shellCommand = (...words: readonly string[]) =>
  words.map(word => (/[^\w@%+=:,./-]/.test(word) ? `"${word.replace(/["\\$`]/g, '\\$&')}"` : word)).join(' ')

type Setting = readonly [name: string, value: string]

/**
 * One entry of `pluginserver_names` a plugin, since Kong 3.9 reads only the first plugin of a dump. No `start_cmd`: the
 * server is started apart, and with one `GET /` of the Admin API answers 500 in 3.9.
 */
export function kongSettings(
  plugins: readonly string[],
  socket: string,
  queryCommand: (plugin: string) => string,
): Setting[] {
  return [
    ['plugins', ['bundled', ...plugins].join(',')],
    ['pluginserver_names', plugins.map(serverName).join(',')],
    ...plugins.flatMap(plugin => [
      [`pluginserver_${serverName(plugin)}_socket`, socket] as const,
      [`pluginserver_${serverName(plugin)}_query_cmd`, queryCommand(plugin)] as const,
    ]),
  ]
}

/** Kong builds the names of further settings from it, where a dash can't stand in the environment. */
const serverName = (plugin: string) => plugin.replaceAll('-', '_')

const envLine = ([name, value]: Setting) =>
  `KONG_${name.toUpperCase()}=${/[^\w./,:-]/.test(value) ? `'${value}'` : value}`
const confLine = ([name, value]: Setting) => `${name} = ${value}`
