import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SCRIPT = path.resolve(import.meta.dirname, '../../../../ops/deploy/compose/make-secrets.sh')

describe('the secrets of docker-compose.yml', () => {
  let folder: string
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  const all = () =>
    Object.fromEntries(
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter(name => !name.endsWith('.d'))
        .map(name => [name, read(name)]),
    )

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-secrets-'))
    await run('sh', [SCRIPT, folder])
  })
  after(() => rmSync(folder, { recursive: true }))

  it('are the same in the URLs as in what the servers read', () => {
    assert.equal(new URL(read('redis-url')).password, read('redis-password'))
    assert.match(read('redis.conf'), new RegExp(`^requirepass ${read('redis-password')}$`, 'm'))
    assert.equal(new URL(read('postgres-url')).password, read('postgres-password'))
    const rabbitmq = new URL(read('amqp-url')).password
    assert.match(read('rabbitmq.d/10-sluice.conf'), new RegExp(`^default_pass = ${rabbitmq}$`, 'm'))
  })

  it('are long, and differ', () => {
    const passwords = ['redis-password', 'postgres-password', 'kong-password', 'fingerprint'].map(read)
    assert.equal(new Set(passwords).size, passwords.length)
    for (const password of passwords) assert.ok(password.length >= 32)
  })

  it('stay what they are at the next start', async () => {
    const before = all()
    await run('sh', [SCRIPT, folder])
    assert.deepEqual(all(), before)
  })
})
