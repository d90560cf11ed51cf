import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { giveToService, writePrivate } from './folders.ts'
import { type Installation, programOf } from './installation.ts'
import type { Recipe } from './recipe.ts'
import { serviceUser } from './user.ts'

const run = promisify(execFile)
const urlOf = (port: number, password: string) => `postgres://sluice:${password}@127.0.0.1:${port}/sluice`

export const postgres: Recipe = {
  source: {
    programs: ['postgres', 'initdb'],
    folders: ['usr/lib/postgresql/*/bin', 'usr/local/pgsql/bin'],
    packages: ['postgresql'],
  },
  container: {
    image: 'postgres:17.9-alpine',
    port: 5432,
    env: password => ({ POSTGRES_USER: 'sluice', POSTGRES_DB: 'sluice', POSTGRES_PASSWORD: password }),
    url: urlOf,
  },
  morePorts: 0,

  async prepare(installation, { folder, port, password, lasting, cache }) {
    const data = path.join(folder, 'data')
    if (lasting) {
      if (!existsSync(path.join(data, 'PG_VERSION'))) await createCluster(installation, data, password)
    } else {
      const template = await clusterTemplate(installation, cache)
      await run('cp', ['-a', '--reflink=auto', path.join(template, 'data'), data], serviceUser() ?? {})
      password = readFileSync(path.join(template, 'password'), 'utf8')
    }
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      max_connections: 200,
      jit: 'off',
      // Shared memory in files of the data folder: a kill leaves nothing behind in /dev/shm.
      dynamic_shared_memory_type: 'mmap',
    }
    return {
      command: programOf(installation, 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: installation.env,
      // Fast shutdown: ends the sessions and writes a checkpoint. Immediate shutdown, where nothing is kept.
      endSignal: lasting ? 'INT' : 'QUIT',
      url: urlOf(port, password),
    }
  },

  async probe(url) {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => {})
    await client.connect()
    await client.end()
  },
}

/** Making a cluster takes a second or two, copying one a tenth of that: so one of each version is kept. */
async function clusterTemplate(installation: Installation, cache: string): Promise<string> {
  const { stdout } = await run(programOf(installation, 'postgres'), ['--version'], {
    env: { ...installation.env },
  })
  const folder = path.join(cache, `cluster-${/\d[\w.]*/.exec(stdout)?.[0] ?? 'unknown'}`)
  if (existsSync(folder)) return folder
  const password = randomBytes(18).toString('base64url')
  const making = `${folder}.${randomBytes(4).toString('hex')}`
  await mkdir(making, { mode: 0o700, recursive: true })
  giveToService(making)
  await createCluster(installation, path.join(making, 'data'), password)
  writePrivate(path.join(making, 'password'), password)
  // Another process may have made one meanwhile; either serves.
  await rename(making, folder).catch(() => rm(making, { recursive: true }))
  return folder
}

async function createCluster(installation: Installation, data: string, password: string): Promise<void> {
  const passwordFile = `${data}.password`
  writePrivate(passwordFile, password)
  const options = { env: { LC_ALL: 'C', ...installation.env }, cwd: path.dirname(data), ...serviceUser() }
  await run(
    programOf(installation, 'initdb'),
    [
      ...['--pgdata', data, '--username', 'sluice', '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'],
    ],
    options,
  )
  await rm(passwordFile)
  const single = run(programOf(installation, 'postgres'), ['--single', '-D', data, 'postgres'], options)
  single.child.stdin?.end('CREATE DATABASE sluice\n')
  await single
}
