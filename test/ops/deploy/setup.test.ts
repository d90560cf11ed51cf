import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const FOLDER = path.resolve(import.meta.dirname, '../../../../ops/deploy/compose')

describe('what docker-compose.yml sets up', () => {
  let folder: string
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  const setUp = () => run(process.execPath, [path.join(FOLDER, 'setup.mjs'), folder])
  const filesOf = (reader: string) =>
    readdirSync(path.join(folder, reader), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => path.join(entry.parentPath, entry.name))
  const passwords = () => readdirSync(path.join(folder, 'secrets')).map(name => read(`secrets/${name}`))

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-setup-'))
    await setUp()
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is long secrets that differ', () => {
    assert.equal(new Set(passwords()).size, 10)
    for (const password of passwords()) assert.ok(password.length >= 32)
  })

  it('is the same secret for a server and for its client', () => {
    const passwordOf = (name: string) => new URL(read(name)).password
    assert.match(read('redis/redis.conf'), new RegExp(`^requirepass ${passwordOf('sluice/redis-url')}$`, 'm'))
    assert.equal(passwordOf('sluice/postgres-url'), read('postgres/sluice-password'))
    assert.equal(read('kong/password'), read('postgres/kong-password'))
    const { users } = JSON.parse(read('rabbitmq/definitions.json')) as {
      users: { name: string; password_hash: string; tags: string[] }[]
    }
    const hash = Buffer.from(users[0]!.password_hash, 'base64')
    const salted = createHash('sha256').update(hash.subarray(0, 4)).update(passwordOf('sluice/amqp-url'))
    assert.deepEqual(hash.subarray(4), salted.digest())
  })

  it('gives each service no secret but its own', () => {
    const allowed: Readonly<Record<string, readonly string[]>> = {
      redis: ['redis'],
      postgres: ['postgres', 'kong', 'sluice-postgres', 'sample-postgres'],
      rabbitmq: [],
      kong: ['kong'],
      manager: ['redis', 'sluice-postgres', 'rabbitmq', 'manager-key', 'fingerprint'],
      sluice: ['redis', 'sluice-postgres', 'rabbitmq', 'fingerprint', 'loopback'],
      samples: ['sample-postgres', 'sample-rabbitmq'],
      prometheus: [],
      grafana: [],
    }
    assert.deepEqual(readdirSync(folder).sort(), [...Object.keys(allowed), 'secrets'].sort())
    for (const [reader, names] of Object.entries(allowed)) {
      const texts = filesOf(reader).map(file => readFileSync(file, 'utf8'))
      const found = readdirSync(path.join(folder, 'secrets')).filter(name =>
        texts.some(text => text.includes(read(`secrets/${name}`))),
      )
      assert.deepEqual(found.sort(), [...names].sort(), reader)
    }
  })

  it('makes the plugin server and the samples administrators of nothing', () => {
    const { users, permissions, policies } = JSON.parse(read('rabbitmq/definitions.json'))
    for (const [index, user] of ['sluice', 'sample'].entries()) {
      assert.deepEqual([users[index].name, users[index].tags], [user, []])
      const own = `^${user}\\.`
      assert.deepEqual(permissions[index], { user, vhost: '/', configure: own, write: own, read: own })
      assert.ok(policies[index].definition['max-length-bytes'] > 0)
    }
  })

  it('can be read by the readers, whoever they are, and the master copies by nobody else', () => {
    for (const reader of readdirSync(folder))
      for (const file of filesOf(reader)) {
        const wanted = reader === 'secrets' ? 0o400 : 0o444
        assert.equal(statSync(file).mode & 0o444, wanted, file)
      }
  })

  it('keeps its secrets at the next start, and writes the rest anew', async () => {
    const before = passwords()
    rmSync(path.join(folder, 'kong'), { recursive: true })
    await setUp()
    assert.deepEqual(passwords(), before)
    assert.equal(read('kong/password'), read('postgres/kong-password'))
  })
})
