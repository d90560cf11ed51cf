import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync } from 'node:fs'
import path from 'node:path'
import { checkToken } from '../../cli/doctor/token.ts'
import { readSettings } from '../../foundation/settings.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { runSluice } from '../support/run-sluice.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

describe('sluice token', () => {
  let folder: TestFolder
  let env: Record<string, string>
  const doctor = async () => {
    const settings = readSettings(env)
    const findings = await checkToken({
      settings,
      plugins: [],
      dumpCommand: [],
      adminUrl: undefined,
      kongUser: undefined,
    })
    return findings.map(({ state, message }) => `${state} ${message}`)
  }
  beforeEach(() => {
    folder = makeFolder()
    env = { SLUICE_TOKEN_KEYS_DIR: path.join(folder.path, 'keys') }
  })
  afterEach(() => folder.remove())

  it('makes the first key, a next one, and lists which signs', async () => {
    const first = JSON.parse((await runSluice(['token', 'rotate', '--json'], env)).stdout)
    const second = JSON.parse((await runSluice(['token', 'rotate', '--in', '1h', '--json'], env)).stdout)
    const { stdout } = await runSluice(['token', 'list', '--json'], env)
    const listed = JSON.parse(stdout) as { kid: string; state: string; signs_from: string }[]
    assert.deepEqual(
      listed.map(({ kid, state }) => [kid, state]),
      [
        [first.kid, 'signing'],
        [second.kid, 'next'],
      ],
    )
    assert.equal(Date.parse(listed[1]!.signs_from) > Date.now() + 3_000_000, true)
    assert.match((await runSluice(['token', 'list'], env)).stdout, /signing/)
  })

  it('says which folder is meant, and what contradicts', async () => {
    const without = await runSluice(['token', 'list'])
    assert.match(without.stderr, /SLUICE_TOKEN_KEYS_DIR/)
    const both = await runSluice(['token', 'rotate', '--revoke', '--in', '1h'], env)
    assert.match(both.stderr, /leave out --in/)
    assert.match((await runSluice(['token', 'list'], env)).stderr, /SLUICE_TOKEN_KEYS: Correct the folder/)
  })

  it('is followed by a doctor who knows keys that are missing, open to all, or published nowhere', async () => {
    assert.match((await doctor()).join(), /fail cannot read .*keys\.json/)
    const { kid } = JSON.parse((await runSluice(['token', 'rotate', '--json'], env)).stdout)
    assert.match((await doctor()).join('\n'), /^ok 1 keys; .* signs\nwarn the public keys are not served/)
    env.SLUICE_JWKS_LISTEN = '127.0.0.1:1'
    assert.equal((await doctor()).length, 1)
    chmodSync(path.join(env.SLUICE_TOKEN_KEYS_DIR!, `${kid}.pem`), 0o644)
    assert.match((await doctor()).join(), /warn every user of this machine can read/)
  })
})

describe('sluice token sync', () => {
  let gateway: RunningGateway
  let service: TestUpstream
  let keys: object[]
  const key = (kid: string) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' }
  }
  const sync = (consumer = 'users') =>
    runSluice([
      'token',
      'sync',
      '--jwks',
      service.url,
      '--consumer',
      consumer,
      '--admin-url',
      gateway.adminUrl,
    ])
  const credentials = async () => {
    const { data } = await gateway.admin('GET', '/consumers/users/jwt')
    return (data as { key: string }[]).map(one => one.key).sort()
  }
  before(async () => {
    gateway = await startTestGateway()
    service = await startUpstream((_, response) => response.end(JSON.stringify({ keys })))
    await gateway.admin('POST', '/consumers', { username: 'users' })
    await gateway.admin('POST', '/consumers/users/jwt', { key: 'of-somebody-else' })
  })
  after(async () => {
    await gateway.close()
    await service.close()
  })

  it('gives the consumer a credential for each published key, and takes away only its own', async () => {
    keys = [key('a'), key('b')]
    assert.equal((await sync()).stdout, '2 created, 0 kept, 0 deleted\n')
    assert.equal((await sync()).stdout, '0 created, 2 kept, 0 deleted\n')
    keys = [keys[1]!, key('c')]
    assert.equal((await sync()).stdout, '1 created, 1 kept, 1 deleted\n')
    assert.deepEqual(await credentials(), ['b', 'c', 'of-somebody-else'])
    // Another key under an id that is there already.
    keys = [keys[0]!, key('c')]
    assert.equal((await sync()).stdout, '1 created, 1 kept, 0 deleted\n')
    assert.equal((await sync()).stdout, '0 created, 2 kept, 0 deleted\n')
  })

  it('changes nothing where the keys are none, or no public keys', async () => {
    const before = await credentials()
    for (const [wrong, message] of [
      [[], /publishes 0 keys/],
      [[{ kty: 'oct', k: 'c2VjcmV0', kid: 'x' }], /is no public key/],
      [[key('')], /has no kid/],
      [[{ ...key('d'), alg: 'HS256' }], /no public key that Kong can verify with: EC P-256 for HS256/],
      [[key('of-somebody-else')], /users has another credential with the key of-somebody-else/],
    ] as const) {
      keys = [...wrong]
      const { code, stderr } = await sync()
      assert.equal(code, 1)
      assert.match(stderr, message)
    }
    keys = [key('a')]
    assert.match((await sync('nobody')).stderr, /no consumer "nobody"/)
    assert.deepEqual(await credentials(), before)
  })
})
