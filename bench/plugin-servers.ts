/**
 * The plugin servers that are measured against each other, started with the same plugins: Kong's own JavaScript one
 * (kong-pdk, which speaks MsgPack:1 only), and Sluice in both protocols.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type KongLane, openMsgpackLane, openProtobufLane } from './kong-lane.ts'
import { PDK_ACCESS, pdkModule, startKongPdk, writeModules } from './kong-pdk.ts'

export interface Contender {
  readonly name: string
  readonly protocol: 'MsgPack:1' | 'ProtoBuf:1'
  readonly start: (folder: string, socket: string) => ChildProcess
  readonly open: (socket: string) => Promise<KongLane>
}

function startPdk(folder: string, socket: string): ChildProcess {
  const modules = Object.entries(PDK_ACCESS).map(([name, access]) => [name, pdkModule(name, access)])
  const plugins = writeModules(path.join(folder, 'kong-pdk-plugins'), Object.fromEntries(modules))
  return startKongPdk(plugins, socket)
}

function startSluice(folder: string, socket: string): ChildProcess {
  const server = new URL('./servers/sluice-server.js', import.meta.url).pathname
  return spawn(process.execPath, [server, socket, path.join(folder, 'spool')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

export const CONTENDERS: readonly Contender[] = [
  { name: 'kong-pdk 0.6.0', protocol: 'MsgPack:1', start: startPdk, open: openMsgpackLane },
  { name: 'Sluice', protocol: 'MsgPack:1', start: startSluice, open: openMsgpackLane },
  { name: 'Sluice', protocol: 'ProtoBuf:1', start: startSluice, open: openProtobufLane },
]

export interface Running {
  readonly pid: number
  readonly socket: string
  /** The first connection that the server took. */
  readonly lane: KongLane
  /** `performance.now()` before the process was made. */
  readonly begunAt: number
}

/** Starts a server in a folder of its own, and ends it after `use`. */
export async function withServer<T>(
  { name, start, open }: Pick<Contender, 'name' | 'start' | 'open'>,
  use: (running: Running) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const socket = path.join(folder, 'server.sock')
  const begunAt = performance.now()
  const server = start(folder, socket)
  const exited = new Promise(resolve => server.once('exit', resolve))
  try {
    for (;;) {
      if (server.exitCode !== null) throw new Error(`${name} ended at its start`)
      // The socket's file may be there before anyone listens.
      const lane = await open(socket).catch(() => undefined)
      if (lane) return await use({ pid: server.pid!, socket, lane, begunAt })
      await pause(2)
    }
  } finally {
    server.kill()
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
}
