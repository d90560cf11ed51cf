import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { confirm } from '../../ops/local/confirm.ts'
import { cacheFolder, temporaryFolder } from '../../ops/local/folders.ts'
import { findPrograms } from '../../ops/local/installation.ts'
import { type Kept, keep } from '../../ops/local/keeper.ts'
import { SYSTEM, unpackPackages } from '../../ops/local/packages.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { redis as recipe } from '../../ops/local/redis.ts'

export interface RedisCluster {
  readonly urls: readonly string[]
  readonly nodes: readonly Kept[]
  close(): Promise<void>
}

const SLOTS = 16_384

/** A Redis Cluster of real masters without replicas, each with an equal part of the slots. */
export async function useRedisCluster(masters = 3): Promise<RedisCluster> {
  const programs = findPrograms(recipe.source)
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const installation = programs
    ? { programs, env: SYSTEM }
    : await unpackPackages(recipe.source, cacheFolder(), { say, confirm })
  const ports = await freePorts(2 * masters)
  const data = ports.slice(0, masters)
  const nodes = data.map((port, i) => {
    const folder = temporaryFolder('redis-cluster')
    const settings = {
      port,
      bind: '127.0.0.1',
      dir: folder,
      save: '',
      'cluster-enabled': 'yes',
      'cluster-port': ports[masters + i],
      'cluster-node-timeout': 1000,
      'cluster-require-full-coverage': 'no',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    return keep(
      { command: installation.programs['redis-server']!, args, env: installation.env, endSignal: 'TERM' },
      folder,
    )
  })
  const close = async () => void (await Promise.all(nodes.map(node => node.close())))
  try {
    await Promise.all(nodes.map(node => node.start()))
    await join(data, ports.slice(masters))
  } catch (error) {
    await close()
    throw error
  }
  return { urls: data.map(port => `redis://127.0.0.1:${port}`), nodes, close }
}

async function join(ports: readonly number[], busPorts: readonly number[]): Promise<void> {
  const clients = ports.map(port => new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 }))
  for (const client of clients) client.on('error', () => {})
  try {
    const share = Math.ceil(SLOTS / ports.length)
    for (const [i, client] of clients.entries()) {
      const last = Math.min(SLOTS, (i + 1) * share) - 1
      await client.call('CLUSTER', 'ADDSLOTSRANGE', i * share, last)
      await client.call('CLUSTER', 'MEET', '127.0.0.1', ports[0]!, busPorts[0]!)
    }
    for (const client of clients) await untilWhole(client)
  } finally {
    for (const client of clients) client.disconnect()
  }
}

async function untilWhole(client: Redis): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const info = await client.cluster('INFO')
    if (info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`)) return
    await sleep(50)
  }
  throw new Error('the Redis Cluster did not come together within 10 s')
}
