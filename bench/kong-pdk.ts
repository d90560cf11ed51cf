/** Kong's own JavaScript plugin server (kong-pdk 0.6.0), the peer of what we measure. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(import.meta.url)
const ROOT = path.dirname(require.resolve('kong-pdk/package.json'))
const COMMAND = path.join(ROOT, 'bin', 'kong-js-pluginserver')
// It loads plugins through ts-node, which can't use the compiler and the settings that this project builds with.
const ENV = {
  TS_NODE_SKIP_PROJECT: 'true',
  TS_NODE_COMPILER: require.resolve('typescript', { paths: [ROOT] }),
}

/** Access phases by the names of their plugins; the same stand in servers/sluice-server.ts for ours. */
export const PDK_ACCESS = {
  'calls-0': 'async access(kong) {}',
  'calls-2': `async access(kong) {
    const consumer = await kong.client.getConsumer()
    await kong.response.setHeaders({ 'x-consumer': consumer.username, 'x-limit': '100' })
  }`,
  'calls-8': `async access(kong) {
    const consumer = await kong.client.getConsumer()
    await kong.client.getCredential()
    await kong.router.getService()
    await kong.router.getRoute()
    await kong.request.getMethod()
    await kong.request.getPath()
    await kong.log.notice('seen')
    await kong.response.setHeaders({ 'x-consumer': consumer.username, 'x-limit': '100' })
  }`,
  reject: `async access(kong) {
    await kong.response.exit(429, 'too many requests', { 'Retry-After': ['13'] })
  }`,
} as const

/** Text of a module for kong-pdk with this access phase. */
export const pdkModule = (name: string, access: string): string =>
  `class P { constructor(config) { this.config = config } ${access} }
   module.exports = { Plugin: P, Name: '${name}', Version: '1.0.0', Priority: 1, Schema: [] }`

/** Writes CommonJS modules, by their names, into a new folder. */
export function writeModules(folder: string, modules: Readonly<Record<string, string>>): string {
  mkdirSync(folder)
  for (const [name, text] of Object.entries(modules)) writeFileSync(path.join(folder, `${name}.js`), text)
  return folder
}

/** Starts the server with the plugins of a folder, and with these variables besides its own environment. */
export function startKongPdk(
  plugins: string,
  socket: string,
  variables: Readonly<Record<string, string>> = {},
): ChildProcess {
  const where = ['--kong-prefix', path.dirname(socket), '--sock-name', path.basename(socket)]
  return spawn(process.execPath, [COMMAND, '-d', plugins, ...where], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: path.dirname(plugins),
    env: { ...process.env, ...ENV, ...variables },
  })
}

/** What the server tells Kong about the plugins of a folder: the text of its `--dump-all-plugins`. */
export function dumpOfKongPdk(plugins: string): string {
  return execFileSync(process.execPath, [COMMAND, '-d', plugins, '--dump-all-plugins'], {
    cwd: path.dirname(plugins),
    env: { ...process.env, ...ENV },
    encoding: 'utf8',
  })
}
