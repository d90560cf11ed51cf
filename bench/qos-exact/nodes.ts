/** Several plugin servers that share a Redis, and Kong's side of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type KongLane, openProtobufLane } from '../kong-lane.ts'
import type { Client, Outcome, Route, Target } from './target.ts'

export interface NodesOptions {
  /** Folder of the compiled code: another commit's, to measure it beside this one. */
  readonly dist: string
  readonly count: number
  readonly sync: 'strict' | 'leased'
  readonly redisUrl: string
  /** Called with each process as soon as there is one. */
  readonly onSpawn: (pid: number) => void
}

export async function startNodes(options: NodesOptions): Promise<Target> {
  const { count, onSpawn } = options
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const started = Array.from({ length: count }, (_, i) => {
    const socket = path.join(folder, `${i}.sock`)
    const child = spawnNode(options, i, folder, socket)
    onSpawn(child.pid!)
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
  const instances = new Map<string, Promise<number>>()
  return {
    close,
    async open(route, place) {
      const { socket } = started[place % count]!
      const lane = await openProtobufLane(socket)
      const name = `${place % count} ${route.name}`
      const instance = instances.get(name) ?? lane.startInstance('qos', configOf(route, options.sync))
      instances.set(name, instance)
      return clientOf(lane, await instance)
    },
  }
}

function spawnNode({ dist, redisUrl }: NodesOptions, place: number, folder: string, socket: string) {
  return spawn(process.execPath, [path.join(dist, 'cli/sluice.js'), 'serve'], {
    env: {
      PATH: process.env.PATH,
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder, `spool-${place}`),
      SLUICE_HTTP: 'off',
      SLUICE_LOG_LEVEL: 'error',
      SLUICE_NODE: `node-${place}`,
      SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
      SLUICE_REDIS_URL: redisUrl,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

const OUTCOMES = { ended: 'admitted', rejected: 'rejected' } as const

function clientOf(lane: KongLane, instance: number): Client {
  let isOpen = true
  return {
    get isOpen() {
      return isOpen
    },
    async send(): Promise<Outcome> {
      const outcome = await lane.event(instance, 'access').catch(() => undefined)
      // Kong gives a connection up on which it has answered a client.
      isOpen = outcome === 'ended'
      return outcome ? OUTCOMES[outcome] : 'failed'
    },
    close: () => lane.close(),
  }
}

function configOf({ name, requests }: Route, sync: NodesOptions['sync']): object {
  const tier = { limits: [{ name: 'hour', requests, per: 3600, algorithm: 'sliding' }] }
  return {
    tiers: { free: tier },
    default_tier: 'free',
    sync,
    route_id: name,
    __plugin_id: name,
    __seq__: 1,
  }
}
