import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import jsonwebtoken, { type JwtPayload } from 'jsonwebtoken'
import { type PythonService, startPythonService } from '../../../ops/local/python-service.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { plugin as upstreamToken } from '../../../plugins/upstream-token/plugin.ts'
import { rotate } from '../../../plugins/upstream-token/rotation.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'
import { freePort } from '../../support/ports.ts'
import { START_MS, sharedPostgres } from '../../support/services.ts'
import { until } from '../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

type Verify = (token: unknown) => Promise<JwtPayload>
interface VerifierOptions {
  readonly jwksUrl: string
  readonly audience: string
  readonly keepMs?: number
  readonly retryMs?: number
}

const VERIFIER = new URL('../../../../plugins/upstream-token/verifiers/node.mjs', import.meta.url).href

/** A service that answers only who comes through the gateway, with the claims of the token. */
async function verifyingService(options: VerifierOptions): Promise<RequestListener> {
  const { createVerifier } = (await import(VERIFIER)) as { createVerifier(o: VerifierOptions): Verify }
  const verify = createVerifier(options)
  return ({ headers }, response) => {
    verify(headers['sluice-token']).then(
      claims => response.end(JSON.stringify(claims)),
      (error: Error) => response.writeHead(401).end(JSON.stringify({ reason: error.message })),
    )
  }
}

interface World extends EdgeGateway {
  readonly folder: string
  readonly jwksUrl: string
}

async function startWorld(
  folder: TestFolder,
  protocol: 'ProtoBuf:1' | 'MsgPack:1' = 'ProtoBuf:1',
): Promise<World> {
  const port = await freePort()
  const gateway = await startEdgeGateway({
    plugins: [upstreamToken, sluice],
    protocol,
    env: { SLUICE_TOKEN_KEYS_DIR: folder.path, SLUICE_JWKS_LISTEN: `127.0.0.1:${port}` },
  })
  return { ...gateway, folder: folder.path, jwksUrl: `http://127.0.0.1:${port}/.well-known/jwks.json` }
}

const rotateNow = (folder: string, options: { inSeconds?: number; revoke?: boolean } = {}) =>
  rotate(folder, { now: Math.floor(Date.now() / 1_000), inSeconds: 600, revoke: false, ...options })

async function ask(url: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(url, { headers })
  return { status: answer.status, body: (await answer.json()) as JwtPayload & { reason?: string } }
}

const alone = (config: object = {}) => ({ name: 'upstream-token', config })
const composed = (config: object = {}) => ({ name: 'sluice', config: { upstream_token: config } })

for (const [protocol, entry] of [
  ['ProtoBuf:1', alone],
  ['MsgPack:1', alone],
  ['ProtoBuf:1', composed],
] as const)
  describe(`upstream-token, ${entry === composed ? 'in sluice' : 'alone'}, over ${protocol}`, () => {
    let folder: TestFolder
    let world: World
    let service: TestUpstream
    before(async () => {
      folder = makeFolder()
      rotateNow(folder.path)
      world = await startWorld(folder, protocol)
      service = await startUpstream(await verifyingService({ jwksUrl: world.jwksUrl, audience: 'words' }))
      await world.addService('words', service.url, [entry({ claims_from: ['sub'], route: true })])
    })
    after(async () => {
      await world.close()
      await service.close()
      folder.remove()
    })

    it('lets the service see who asks, and on which route', async () => {
      const { status, body } = await ask(`${world.proxyUrl}/words`)
      assert.equal(status, 200)
      const { iat, exp, ...claims } = body
      assert.deepEqual(claims, { iss: 'sluice', aud: 'words', sub: 'anonymous', route: 'words' })
      assert.equal(Number(exp) - Number(iat), 330)
    })

    it('replaces what the client sends, however it spells the name', async () => {
      for (const name of ['Sluice-Token', 'sluice-token', 'SLUICE-TOKEN'])
        assert.equal((await ask(`${world.proxyUrl}/words`, { [name]: 'forged' })).status, 200)
    })

    it('names the user of a JWT that Kong has verified, beside its consumer', async () => {
      await world.admin('POST', '/consumers', { username: 'users-service' })
      const secret = 'a secret of the tests, long enough'
      await world.admin('POST', '/consumers/users-service/jwt', { key: 'users', algorithm: 'HS256', secret })
      await world.addService('shop', service.url, [
        { name: 'jwt', config: {} },
        entry({ audience: 'words', claims_from: ['user', 'sub'] }),
      ])
      const bearer = jsonwebtoken.sign({ iss: 'users', sub: 'ada' }, secret)
      const { body } = await ask(`${world.proxyUrl}/shop`, { authorization: `Bearer ${bearer}` })
      assert.deepEqual([body.sub, body.act_sub], ['users-service', 'ada'])
      const forged = jsonwebtoken.sign({ iss: 'users', sub: 'ada' }, 'another secret, long enough, too')
      assert.equal((await ask(`${world.proxyUrl}/shop`, { authorization: `Bearer ${forged}` })).status, 401)
    })
  })

describe('a service behind upstream-token', () => {
  let folder: TestFolder
  let world: World
  let service: TestUpstream
  let products: PythonService
  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    rotateNow(folder.path)
    world = await startWorld(folder)
    service = await startUpstream(await verifyingService({ jwksUrl: world.jwksUrl, audience: 'products' }))
    const postgres = await sharedPostgres()
    const env = { SAMPLE_DATABASE_URL: await postgres.createDatabase(), SLUICE_JWKS_URL: world.jwksUrl }
    products = await startPythonService('products', { env })
    await world.addService('products', products.url, [alone()])
  })
  after(async () => {
    await world.close()
    await Promise.all([service.close(), products.close()])
    folder.remove()
  })

  it('is reached through the gateway', async () => {
    const answer = await fetch(`${world.proxyUrl}/products/products`)
    assert.equal(answer.status, 200)
  })

  /** A token with the gateway's own key, and the claims changed. */
  const signed = async (claims: object) => {
    const { readKeyFolder } = await import('../../../plugins/upstream-token/key-folder.ts')
    const [key] = readKeyFolder(folder.path)
    const now = Math.floor(Date.now() / 1_000)
    const all = { iss: 'sluice', aud: 'products', sub: 'eddie', iat: now - 30, exp: now + 300, ...claims }
    return jsonwebtoken.sign(all, key!.privateKey, { algorithm: 'ES256', keyid: key!.kid })
  }
  const forged = async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { header, payload } = jsonwebtoken.decode(await signed({}), { complete: true })!
    return jsonwebtoken.sign(payload, privateKey, { algorithm: 'ES256', keyid: header.kid! })
  }
  const past = () => Math.floor(Date.now() / 1_000) - 60
  const attempts: readonly (readonly [string, () => Promise<string> | string | undefined, 200 | 401])[] = [
    ['a token of the gateway', () => signed({}), 200],
    ['no token', () => undefined, 401],
    ['a forged token under a known key id', forged, 401],
    ['an expired token', () => signed({ exp: past() }), 401],
    ['a token for another service', () => signed({ aud: 'users' }), 401],
    ['a token of another issuer', () => signed({ iss: 'mallory' }), 401],
    ['what is no token', () => createHash('sha256').update('x').digest('hex'), 401],
  ]
  for (const [what, token, expected] of attempts)
    it(`answers ${expected} to ${what} that comes around the gateway`, async () => {
      const value = await token()
      const headers = value === undefined ? {} : { 'sluice-token': value }
      const [flask, node] = await Promise.all([
        fetch(`${products.url}/products`, { headers }),
        fetch(service.url, { headers }),
      ])
      assert.deepEqual([flask.status, node.status], [expected, expected])
    })
})

describe('upstream-token without usable keys', () => {
  let folder: TestFolder
  let world: World
  let service: TestUpstream
  let reached: IncomingHttpHeaders[]
  beforeEach(async () => {
    folder = makeFolder()
    reached = []
    world = await startWorld(folder)
    service = await startUpstream(({ headers }, response) => {
      reached.push(headers)
      response.end('{}')
    })
    await world.addService('words', service.url, [alone()])
  })
  afterEach(async () => {
    await world.close()
    await service.close()
    folder.remove()
  })

  it('rejects every request, says why in the log, and goes on as soon as there is a key', async () => {
    assert.equal((await fetch(`${world.proxyUrl}/words`)).status, 503)
    assert.equal((await fetch(world.jwksUrl)).status, 503)
    assert.deepEqual(reached, [])
    assert.ok(world.log.some(({ reason }) => /cannot read .*keys\.json: ENOENT/.test(String(reason))))
    rotateNow(folder.path)
    await until(async () => (await fetch(`${world.proxyUrl}/words`)).status === 200)
    assert.equal(reached.length, 1)
    await until(async () => (await fetch(world.jwksUrl)).status === 200)
  })
})

describe('rotations of the keys of upstream-token', () => {
  /** Ten by hand: SLUICE_TEST_ROTATIONS=10. */
  const ROTATIONS = Number(process.env.SLUICE_TEST_ROTATIONS ?? 2)
  let folder: TestFolder
  let world: World
  let service: TestUpstream
  before(async () => {
    folder = makeFolder()
    rotateNow(folder.path)
    world = await startWorld(folder)
    const options = { jwksUrl: world.jwksUrl, audience: 'words', keepMs: 500, retryMs: 500 }
    service = await startUpstream(await verifyingService(options))
    await world.addService('words', service.url, [
      { name: 'key-auth', config: {} },
      alone({ expires_in: 30 }),
    ])
  })
  after(async () => {
    await world.close()
    await service.close()
    folder.remove()
  })

  it(`refuse no request under load, over ${ROTATIONS} of them`, async function () {
    this.timeout(60_000 + ROTATIONS * 30_000)
    const statuses = new Map<number, number>()
    const kids = new Set<string>()
    let consumers = 0
    let isOver = false
    let apikey = ''
    const join = async () => {
      const username = `c${++consumers}`
      await world.admin('POST', '/consumers', { username })
      await world.admin('POST', `/consumers/${username}/key-auth`, { key: username })
      apikey = username
    }
    const client = async () => {
      while (!isOver) {
        const { status } = await fetch(`${world.proxyUrl}/words`, { headers: { apikey } })
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }
    await join()
    const clients = Array.from({ length: 4 }, client)
    service.server.on('request', ({ headers }) => {
      const kid = jsonwebtoken.decode(String(headers['sluice-token']), { complete: true })?.header.kid
      if (kid !== undefined) kids.add(kid)
    })
    for (let n = 0; n < ROTATIONS; n++) {
      const { kid } = rotateNow(folder.path, { inSeconds: 3 })
      // New consumers have tokens of the key that signs then; the others use theirs up.
      await until(async () => {
        await join()
        await sleep(100)
        return kids.has(kid)
      })
    }
    isOver = true
    await Promise.all(clients)
    assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]))
    assert.equal(kids.size, ROTATIONS + 1)
  })
})
