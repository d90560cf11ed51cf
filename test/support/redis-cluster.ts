import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { ChildGuard } from '../../ops/local/child-guard.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { findRedisProgram } from './redis-program.ts'

export interface RedisCluster {
  readonly urls: readonly string[]
  readonly nodes: readonly ChildGuard[]
  /** The replica of the first master, where one was asked for. */
  readonly replica: ChildGuard | undefined
  close(): Promise<void>
}

const SLOTS = 16_384

/**
 * A Redis Cluster of three real masters, each with an equal part of the slots.
 *
 * @param withReplica gives the first master a replica, which takes its place about two seconds after its death.
 */
export async function useRedisCluster(withReplica = false): Promise<RedisCluster> {
  const masters = 3
  const count = withReplica ? masters + 1 : masters
  const program = await findRedisProgram()
  const ports = await freePorts(2 * count)
  const data = ports.slice(0, count)
  const all = data.map((port, i) =>
    program.prepare({
      port,
      save: '""',
      'cluster-enabled': 'yes',
      'cluster-port': ports[count + i]!,
      'cluster-node-timeout': 1000,
      'cluster-require-full-coverage': 'no',
      'repl-diskless-sync-delay': 0,
    }),
  )
  const close = async () => void (await Promise.all(all.map(node => node.close())))
  try {
    await Promise.all(all.map(node => node.start()))
    await join(data.slice(0, masters), data, ports.slice(count))
  } catch (error) {
    await close()
    throw error
  }
  return {
    urls: data.map(port => `redis://127.0.0.1:${port}`),
    nodes: all.slice(0, masters),
    replica: all[masters],
    close,
  }
}

async function join(
  masters: readonly number[],
  ports: readonly number[],
  busPorts: readonly number[],
): Promise<void> {
  const clients = ports.map(port => new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 }))
  for (const client of clients) client.on('error', () => {})
  try {
    const share = Math.ceil(SLOTS / masters.length)
    for (const [i, client] of clients.entries()) {
      const last = Math.min(SLOTS, (i + 1) * share) - 1
      if (i < masters.length) await client.call('CLUSTER', 'ADDSLOTSRANGE', i * share, last)
      await client.call('CLUSTER', 'MEET', '127.0.0.1', ports[0]!, busPorts[0]!)
    }
    for (const client of clients) await untilWhole(client)
    const master = String(await clients[0]!.call('CLUSTER', 'MYID'))
    for (const replica of clients.slice(masters.length)) await replicate(replica, master)
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

async function replicate(replica: Redis, master: string): Promise<void> {
  await replica.call('CLUSTER', 'REPLICATE', master)
  for (let i = 0; i < 200; i++) {
    if ((await replica.info('replication')).includes('master_link_status:up')) return
    await sleep(50)
  }
  throw new Error('the replica did not follow its master within 10 s')
}
