import path from 'node:path'
import { writePrivate } from './folders.ts'
import { programOf } from './installation.ts'
import type { Recipe } from './recipe.ts'

const urlOf = (port: number, password: string) => `redis://:${password}@127.0.0.1:${port}`

export const redis: Recipe = {
  source: {
    programs: ['redis-server'],
    folders: ['usr/bin', 'usr/local/bin'],
    // Debian's redis-server is a link to a program in redis-tools.
    packages: ['redis-server', 'redis-tools'],
  },
  container: {
    image: 'redis:7.4-alpine',
    port: 6379,
    env: () => ({}),
    command: password => ['redis-server', '--requirepass', password, '--save', ''],
    url: urlOf,
  },
  morePorts: 0,

  async prepare(installation, { folder, port, password, lasting }) {
    const settings = [
      `port ${port}`,
      'bind 127.0.0.1',
      // In quotes, since a clone may stand in a folder with spaces.
      `dir ${JSON.stringify(folder)}`,
      'save ""',
      `appendonly ${lasting ? 'yes' : 'no'}`,
      `requirepass ${password}`,
    ]
    const file = path.join(folder, 'redis.conf')
    writePrivate(file, `${settings.join('\n')}\n`)
    return {
      command: programOf(installation, 'redis-server'),
      args: [file],
      env: installation.env,
      endSignal: 'TERM',
      url: urlOf(port, password),
    }
  },

  async probe(url) {
    const { Redis } = await import('ioredis')
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.ping()
    } finally {
      client.disconnect()
    }
  },
}
