/** Several plugin servers that share a Redis, and Kong's side of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type KongLane, openProtobufLane } from '../kong-lane.ts'

export interface Node {
  readonly pid: number
  open(): Promise<KongLane>
}

export interface Nodes {
  readonly nodes: readonly Node[]
  close(): Promise<void>
}

export interface NodesOptions {
  /** Folder of the compiled code: another commit's, to measure it beside this one. */
  readonly dist: string
  readonly count: number
  readonly env: Readonly<Record<string, string>>
  /** Called with each process as soon as there is one. */
  readonly onSpawn?: (pid: number) => void
}

export async function startNodes({ dist, count, env, onSpawn }: NodesOptions): Promise<Nodes> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const started = Array.from({ length: count }, (_, i) => {
    const socket = path.join(folder, `${i}.sock`)
    const child = spawn(process.execPath, [path.join(dist, 'cli/sluice.js'), 'serve'], {
      env: {
        PATH: process.env.PATH,
        SLUICE_SOCKET: socket,
        SLUICE_SPOOL_DIR: path.join(folder, `spool-${i}`),
        SLUICE_HTTP: 'off',
        SLUICE_LOG_LEVEL: 'error',
        SLUICE_NODE: `node-${i}`,
        SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    onSpawn?.(child.pid!)
    return { child, socket }
  })
  const close = async () => {
    await Promise.all(
      started.map(async ({ child }) => {
        if (child.exitCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      }),
    )
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const { child, socket } of started)
      for (;;) {
        if (child.exitCode !== null) throw new Error('a plugin server ended at its start')
        const lane = await openProtobufLane(socket).catch(() => undefined)
        lane?.close()
        if (lane) break
        await pause(5)
      }
  } catch (error) {
    await close()
    throw error
  }
  return {
    nodes: started.map(({ child, socket }) => ({ pid: child.pid!, open: () => openProtobufLane(socket) })),
    close,
  }
}
