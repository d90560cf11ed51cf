import path from 'node:path'
import { type ChildGuard, guardChild } from '../../ops/local/child-guard.ts'
import { confirm } from '../../ops/local/confirm.ts'
import { cacheFolder, temporaryFolder, writePrivate } from '../../ops/local/folders.ts'
import { findPrograms, type Installation } from '../../ops/local/installation.ts'
import { SYSTEM, unpackPackages } from '../../ops/local/packages.ts'
import { redis as recipe } from '../../ops/local/redis.ts'

export type RedisSettings = Readonly<Record<string, string | number>>

/** redis-server itself, for what `useRedis` does not offer: clusters, replicas, sentinels, TLS. */
export interface RedisProgram {
  /**
   * Makes a server ready to be started; its folder is gone at the end.
   *
   * @param settings lines of its configuration: `{'sentinel monitor': 'mymaster 127.0.0.1 6379 1'}`
   * @param files PEM and other files that it reads, by the names that the settings call them
   */
  prepare(
    settings: RedisSettings,
    flags?: readonly string[],
    files?: Readonly<Record<string, string>>,
  ): ChildGuard
}

export async function findRedisProgram(): Promise<RedisProgram> {
  const { programs, env } = await install()
  return {
    prepare(settings, flags = [], files = {}) {
      const folder = temporaryFolder('redis')
      for (const [name, text] of Object.entries(files)) writePrivate(path.join(folder, name), text)
      const lines = Object.entries({ bind: '127.0.0.1', dir: folder, ...settings })
      const file = path.join(folder, 'redis.conf')
      writePrivate(file, lines.map(([name, value]) => `${name} ${value}\n`).join(''))
      return guardChild(
        { command: programs['redis-server']!, args: [file, ...flags], env, endSignal: 'KILL' },
        folder,
      )
    },
  }
}

async function install(): Promise<Installation> {
  const programs = findPrograms(recipe.source)
  if (programs) return { programs, env: SYSTEM }
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  return unpackPackages(recipe.source, cacheFolder(), { say, confirm })
}
