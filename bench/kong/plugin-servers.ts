/** The plugin servers beside Kong: ours, and kong-pdk's for the same plugins. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { dumpOfKongPdk, PDK_ACCESS, pdkModule, startKongPdk, writeModules } from '../kong-pdk.ts'

const CLI = path.resolve(import.meta.dirname, '../../cli/sluice.js')
const BENCH_PLUGINS = path.resolve(import.meta.dirname, 'plugins')
const OURS = [
  'qos',
  'circuit-breaker',
  'key-auth-audit',
  'upstream-token',
  'request-log',
  'sluice',
  'calls-0',
  'calls-2',
  'log-0',
  'log-few',
  'log-serialize',
  'log-first',
  'floor',
  'exit-0',
  'exit-1',
]

/** Path of a plugin that was built with go-pdk, to be measured beside ours. */
export const GO_PLUGIN = process.env.SLUICE_BENCH_GO_PLUGIN

/** By their names in Kong, which must differ from those of ours. */
const PDK_MODULES = {
  'pdk-calls-2': pdkModule('pdk-calls-2', PDK_ACCESS['calls-2']),
  'pdk-qos': `module.exports = {
    ...require(${JSON.stringify(path.resolve(import.meta.dirname, '../../kong-js/qos.cjs'))}), Name: 'pdk-qos' }`,
}

/** What Kong must know of a plugin. */
export interface Served {
  readonly name: string
  readonly socket: string
  /** File that its `query_cmd` prints. */
  readonly dump: string
}

export interface PluginServers {
  readonly served: readonly Served[]
  /** Starts them; they are of no use before their sockets are there. */
  start(): readonly ChildProcess[]
}

/** Writes the dumps into the folder. */
export function preparePluginServers(
  folder: string,
  settings: Readonly<Record<string, string>>,
): PluginServers {
  const env = {
    ...process.env,
    ...settings,
    SLUICE_SOCKET: path.join(folder, 'sluice.sock'),
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_TOKEN_KEYS_DIR: path.join(folder, 'token-keys'),
    SLUICE_HTTP: 'off',
    SLUICE_LOG_LEVEL: 'error',
  }
  const pdkSocket = path.join(folder, 'kong-pdk.sock')
  const dumps = path.join(folder, 'dumps')
  mkdirSync(dumps)
  const fileOf = (name: string) => path.join(dumps, `${name}.json`)
  execFileSync(process.execPath, [CLI, 'token', 'rotate'], { env })
  execFileSync(process.execPath, [CLI, 'dump', '--plugins', BENCH_PLUGINS, '--out', dumps], { env })
  const pdkPlugins = writeModules(path.join(folder, 'kong-pdk-plugins'), PDK_MODULES)
  // Kong reads the first plugin of a dump only.
  for (const dump of JSON.parse(dumpOfKongPdk(pdkPlugins)) as { readonly Name: string }[])
    writeFileSync(fileOf(dump.Name), JSON.stringify([dump]))
  const go = GO_PLUGIN === undefined ? undefined : prepareGoPlugin(GO_PLUGIN, folder)
  if (go) writeFileSync(fileOf(go.served.name), go.dump)
  return {
    served: [
      ...(go ? [{ ...go.served, dump: fileOf(go.served.name) }] : []),
      ...OURS.map(name => ({ name, socket: env.SLUICE_SOCKET, dump: fileOf(name) })),
      ...Object.keys(PDK_MODULES).map(name => ({ name, socket: pdkSocket, dump: fileOf(name) })),
    ],
    start: () => [
      spawn(process.execPath, [CLI, 'serve', '--plugins', BENCH_PLUGINS], { env, stdio: 'ignore' }),
      startKongPdk(pdkPlugins, pdkSocket, settings),
      ...(go ? [go.start()] : []),
    ],
  }
}

/** A plugin of go-pdk is a server of its own: its name is the file's, its socket stands in the folder that it is given. */
function prepareGoPlugin(file: string, folder: string) {
  const name = path.basename(file)
  const env = {}
  return {
    served: { name, socket: path.join(folder, `${name}.socket`) },
    dump: execFileSync(file, ['-dump', '-kong-prefix', folder], { env }),
    start: () => spawn(file, ['-kong-prefix', folder], { env, stdio: 'ignore' }),
  }
}
