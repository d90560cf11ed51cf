import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Kong's own JavaScript plugin server (kong-pdk), as a process. */
export interface KongJsServer {
  readonly socket: string
  close(): Promise<void>
}

/**
 * @param plugins folder of modules, absolute.
 * @param prefix folder for its socket.
 */
export async function startKongJsServer(
  plugins: string,
  prefix: string,
  env: Readonly<Record<string, string>> = {},
): Promise<KongJsServer> {
  const home = path.dirname(createRequire(import.meta.url).resolve('kong-pdk/package.json'))
  const child = spawn(
    process.execPath,
    [path.join(home, 'bin/kong-js-pluginserver'), '--plugins-directory', plugins, '--kong-prefix', prefix],
    {
      cwd: prefix,
      // It compiles through ts-node, which must find a TypeScript that still has a JavaScript API: its own.
      env: { ...process.env, TS_NODE_COMPILER: path.join(home, 'node_modules/typescript'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const socket = path.join(prefix, 'js_pluginserver.sock')
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (child.exitCode !== null || waited > 15_000)
      throw new Error(`kong-js-pluginserver did not start:\n${output}`)
    await pause(20)
  }
  return {
    socket,
    async close() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
