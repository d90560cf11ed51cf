import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import jsonwebtoken from 'jsonwebtoken'
import { projectFolder } from '../../ops/local/folders.ts'
import { obtainPythonService } from '../../ops/local/python-service.ts'
import { type SamplePlatform, samplePlatform } from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'
import { forgedToken, serveUpstreamKeys, type UpstreamKeys } from '../support/upstream-keys.ts'

describe('the sample services refuse who bypasses the gateway', () => {
  let platform: SamplePlatform
  before(async function () {
    this.timeout(START_MS)
    platform = await samplePlatform()
  })

  const kid = () =>
    jsonwebtoken.decode(platform.keys.token({ aud: 'products' }), { complete: true })!.header.kid!
  const unsigned = () => {
    const [, claims] = platform.keys.token({ aud: 'products' }).split('.')
    return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${claims}.`
  }
  const cases: readonly (readonly [string, () => string | undefined, RegExp])[] = [
    ['no token', () => undefined, /Come through the gateway/],
    ['a token of another key', () => forgedToken({ aud: 'products' }), /Unknown key/],
    ['a token forged under a known key id', () => forgedToken({ aud: 'products' }, kid()), /Signature/],
    ['an expired token', () => platform.keys.token({ aud: 'products', lifetime: -30 }), /expired/],
    ['a token for another service', () => platform.keys.token({ aud: 'users' }), /Audience/],
    ['a token of another issuer', () => platform.keys.token({ aud: 'products', iss: 'x' }), /issuer/],
    ['an unsigned token', unsigned, /Unknown key|alg/],
    ['a text that is no token', () => 'x', /Not enough segments/],
  ]
  for (const [what, token, detail] of cases)
    it(`answers 401 to ${what}`, async () => {
      const value = token()
      const headers = value === undefined ? {} : { 'sluice-token': value }
      const answer = await fetch(`${platform.products.url}/products`, { headers })
      assert.equal(answer.status, 401)
      assert.match(((await answer.json()) as { detail: string }).detail, detail)
    })

  it('takes the token of the gateway', async () => {
    const headers = { 'sluice-token': platform.keys.token({ aud: 'products' }) }
    assert.equal((await fetch(`${platform.products.url}/products`, { headers })).status, 200)
  })
})

describe('the verifier of upstream tokens', () => {
  let keys: UpstreamKeys
  let child: ChildProcess
  let lines: Interface

  const tell = async (order: object): Promise<{ claims?: object; refused?: string }> => {
    const answer = once(lines, 'line')
    child.stdin!.write(`${JSON.stringify(order)}\n`)
    return JSON.parse((await answer)[0])
  }
  const verify = (token: string) => tell({ verify: token })

  before(async function () {
    this.timeout(START_MS)
    const { command, env } = await obtainPythonService('products')
    const script = path.join(projectFolder(), 'test/flask-sample/verifier.py')
    child = spawn(command, [script], {
      env: { ...env, PYTHONPATH: path.join(projectFolder(), 'flask-sample') },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    lines = createInterface({ input: child.stdout! })
  })
  beforeEach(async () => {
    keys = await serveUpstreamKeys()
    await tell({ url: keys.jwksUrl, audience: 'shop' })
  })
  afterEach(() => keys.close())
  after(async () => {
    const ended = once(child, 'exit')
    child.stdin!.end()
    await ended
  })

  it('fetches the keys once for many tokens', async () => {
    for (let n = 0; n < 20; n++) assert.ok((await verify(keys.token({ aud: 'shop' }))).claims)
    assert.equal(keys.fetches, 1)
  })

  it('fetches them again for an unknown key id, every 10 s at most', async () => {
    await verify(keys.token({ aud: 'shop' }))
    for (let n = 0; n < 20; n++)
      assert.match((await verify(forgedToken({ aud: 'shop' }))).refused!, /Unknown key/)
    assert.equal(keys.fetches, 1)
    await tell({ advance: 11 })
    for (let n = 0; n < 20; n++) await verify(forgedToken({ aud: 'shop' }))
    assert.equal(keys.fetches, 2)
  })

  it('takes a new key when it is seen for the first time', async () => {
    const old = keys.token({ aud: 'shop' })
    await verify(old)
    keys.rotate()
    await tell({ advance: 11 })
    assert.ok((await verify(keys.token({ aud: 'shop' }))).claims)
    assert.ok((await verify(old)).claims)
  })

  for (const answers of ['503', 'nonsense', 'half'] as const)
    it(`goes on with the keys it has while no others can be fetched: ${answers}`, async () => {
      const token = keys.token({ aud: 'shop' })
      await verify(token)
      keys.answers = answers
      await tell({ advance: 1_000 })
      assert.ok((await verify(token)).claims)
      assert.match((await verify(forgedToken({ aud: 'shop' }))).refused!, /KeysUnavailable/)
    })

  it('says that it cannot judge before it has any key, and soon tries again', async () => {
    keys.answers = '503'
    const token = keys.token({ aud: 'shop' })
    assert.match((await verify(token)).refused!, /KeysUnavailable/)
    keys.answers = 'keys'
    await tell({ advance: 2 })
    assert.ok((await verify(token)).claims)
  })
})
