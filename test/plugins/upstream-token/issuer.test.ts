import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import jsonwebtoken from 'jsonwebtoken'
import { createMetrics } from '../../../foundation/metrics.ts'
import { actSubOf, identityOf, nameOfRoute, nameOfService } from '../../../plugins/upstream-token/claims.ts'
import { loadSign, TokenIssuer } from '../../../plugins/upstream-token/issuer.ts'
import { MANIFEST } from '../../../plugins/upstream-token/key-folder.ts'
import { KeyRing } from '../../../plugins/upstream-token/key-ring.ts'
import { plugin } from '../../../plugins/upstream-token/plugin.ts'
import { rotate } from '../../../plugins/upstream-token/rotation.ts'
import { createCollectedLog, type LogLine } from '../../../testing/collected-log.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'

const LIFE = { expiresIn: 300, clockSkew: 30 }
const eddie = { iss: 'sluice', aud: 'words', sub: 'eddie' }
const kidOf = (token: string) => jsonwebtoken.decode(token, { complete: true })!.header.kid!

describe('the issuer of upstream tokens', () => {
  let folder: TestFolder
  let clock: TestClock
  let lines: LogLine[]
  let issuer: TokenIssuer
  let changes: (readonly [string, string | undefined])[]
  const nowS = () => Math.floor(clock.now() / 1_000)
  const rotateNow = (options: { inSeconds?: number; revoke?: boolean } = {}) =>
    rotate(folder.path, { now: nowS(), inSeconds: 600, revoke: false, ...options })
  const make = async () => {
    const log = createCollectedLog(lines)
    return new TokenIssuer({
      ring: new KeyRing({ folder: folder.path, clock, log }),
      clock,
      sign: await loadSign(),
      onIssued: () => {},
      onKeyChanged: (key, before) => changes.push([key.kid, before?.kid]),
    })
  }

  beforeEach(async () => {
    folder = makeFolder()
    clock = createTestClock()
    lines = []
    changes = []
    issuer = await make()
  })
  afterEach(() => folder.remove())

  it('signs what it is given, with its times and the id of the key', () => {
    const { kid } = rotateNow()
    const { header, payload } = jsonwebtoken.decode(issuer.issue(eddie, LIFE), { complete: true })!
    assert.deepEqual(header, { alg: 'ES256', typ: 'JWT', kid })
    assert.deepEqual(payload, { ...eddie, iat: nowS() - 30, exp: nowS() + 300 })
  })

  it('gives the same token until 80 % of its life is over', () => {
    rotateNow()
    const token = issuer.issue(eddie, LIFE)
    clock.advance(239_999)
    assert.equal(issuer.issue(eddie, LIFE), token)
    clock.advance(1)
    assert.notEqual(issuer.issue(eddie, LIFE), token)
  })

  it('gives each subject, user, audience, issuer and lifetime a token of its own', () => {
    rotateNow()
    const tokens = [
      issuer.issue(eddie, LIFE),
      issuer.issue({ ...eddie, sub: 'ada' }, LIFE),
      issuer.issue({ ...eddie, act_sub: 'ada' }, LIFE),
      issuer.issue({ ...eddie, route: 'ada' }, LIFE),
      issuer.issue({ ...eddie, aud: 'products' }, LIFE),
      issuer.issue({ ...eddie, iss: 'other' }, LIFE),
      issuer.issue(eddie, { ...LIFE, expiresIn: 60 }),
      issuer.issue(eddie, { ...LIFE, clockSkew: 0 }),
    ]
    assert.equal(new Set(tokens).size, tokens.length)
  })

  it('never gives one identity the token of another, whatever its claims hold', () => {
    rotateNow()
    const text = fc.oneof(fc.string(), fc.constantFrom('', '"', '","', '\0', 'a","act_sub":"b'))
    const identity = fc.record({ iss: fc.constant('sluice'), aud: text, sub: text, act_sub: text })
    fc.assert(
      fc.property(identity, one => {
        const payload = jsonwebtoken.decode(issuer.issue(one, LIFE)) as object
        assert.deepEqual({ ...payload, iat: 0, exp: 0 }, { ...one, iat: 0, exp: 0 })
      }),
      { numRuns: 200 },
    )
  })

  it('signs anew after the clock was set back, for a token of the future is refused', () => {
    rotateNow()
    const token = issuer.issue(eddie, LIFE)
    clock.step(-60_000)
    assert.notEqual(issuer.issue(eddie, LIFE), token)
  })

  it('signs with a new key from its time on, and uses tokens of the one before up', () => {
    const first = rotateNow()
    const token = issuer.issue(eddie, LIFE)
    const second = rotateNow({ inSeconds: 100 })
    clock.advance(99_000)
    assert.equal(kidOf(issuer.issue({ ...eddie, sub: 'ada' }, LIFE)), first.kid)
    clock.advance(1_000)
    assert.equal(kidOf(issuer.issue({ ...eddie, sub: 'grace' }, LIFE)), second.kid)
    assert.equal(issuer.issue(eddie, LIFE), token)
    assert.deepEqual(changes, [
      [first.kid, undefined],
      [second.kid, first.kid],
    ])
  })

  it('gives no token of a revoked key any more', () => {
    rotateNow()
    issuer.issue(eddie, LIFE)
    const second = rotateNow({ revoke: true })
    clock.advance(1_000)
    assert.equal(kidOf(issuer.issue(eddie, LIFE)), second.kid)
  })

  it('signs with the first key where the time of none has come', () => {
    const { kid } = rotateNow()
    rotateNow({ inSeconds: 100 })
    clock.step(-3_600_000)
    assert.equal(kidOf(issuer.issue(eddie, LIFE)), kid)
  })

  it('looks at the folder once a second, and reads it where the manifest was replaced', async () => {
    const reads: string[] = []
    const log = createCollectedLog(lines)
    const ring = new KeyRing({ folder: folder.path, clock, log, onRead: outcome => reads.push(outcome) })
    const first = rotateNow()
    assert.equal(ring.current().kid, first.kid)
    for (let n = 0; n < 3; n++) {
      clock.advance(1_000)
      ring.current()
    }
    assert.deepEqual(reads, ['read'])
    const second = rotateNow({ revoke: true })
    clock.advance(999)
    assert.equal(ring.current().kid, first.kid)
    clock.advance(1)
    assert.equal(ring.current().kid, second.kid)
    assert.deepEqual(reads, ['read', 'read'])
    assert.deepEqual([ring.has(first.kid), ring.has(second.kid)], [false, true])
  })

  it('says again that the folder cannot be read where it could be meanwhile', () => {
    const faults = () => lines.filter(({ message }) => message.includes('no signing keys')).length
    const manifest = path.join(folder.path, MANIFEST)
    assert.throws(() => issuer.issue(eddie, LIFE))
    rotateNow()
    clock.advance(1_000)
    issuer.issue(eddie, LIFE)
    const stays = () => lines.filter(({ message }) => message.includes('those read last')).length
    for (let n = 1; n <= 2; n++) {
      rmSync(manifest)
      clock.advance(1_000)
      issuer.issue(eddie, LIFE)
      assert.deepEqual([faults(), stays()], [1, n])
      rotateNow()
      clock.advance(1_000)
      issuer.issue(eddie, LIFE)
    }
  })

  it('fails with one kind of error, whatever is wrong with the folder', () => {
    const ring = new KeyRing({ folder: `/${'x'.repeat(5_000)}`, clock, log: createCollectedLog(lines) })
    for (let n = 0; n < 2; n++) assert.throws(() => ring.current(), { code: 'SLUICE_TOKEN_KEYS' })
  })

  it('keeps the keys that it has when the folder cannot be read any more, and says so once', () => {
    const { kid } = rotateNow()
    issuer.issue(eddie, LIFE)
    rmSync(path.join(folder.path, MANIFEST))
    for (const sub of ['a', 'b', 'c']) {
      clock.advance(1_000)
      assert.equal(kidOf(issuer.issue({ ...eddie, sub }, LIFE)), kid)
    }
    assert.equal(lines.filter(({ message }) => message.includes('those read last stay in use')).length, 1)
  })

  it('fails without a key, and signs as soon as there is one', () => {
    assert.throws(() => issuer.issue(eddie, LIFE), /cannot read .*keys\.json/)
    rotateNow()
    clock.advance(1_000)
    assert.ok(issuer.issue(eddie, LIFE))
  })
})

describe('what upstream-token asks Kong for', () => {
  let folder: TestFolder
  let clock: TestClock
  let asked: string[]
  let service: object | undefined
  let access: (scope: object, config?: object) => Promise<Record<string, unknown>>
  beforeEach(() => {
    folder = makeFolder()
    clock = createTestClock()
    asked = []
    service = { name: 'words' }
    rotate(folder.path, { now: Math.floor(clock.now() / 1_000), inSeconds: 600, revoke: false })
    const host = {
      ...{ settings: { keysDir: folder.path }, clock, metrics: createMetrics(), log: createCollectedLog([]) },
      events: { publish: async () => {} },
    }
    const memory = plugin.memory?.(host as never)
    access = async (scope, config = {}) => {
      let token = ''
      const ask = (name: string, answer: unknown) => async () => {
        asked.push(name)
        return answer
      }
      const kong = {
        router: { getService: ask('service', service), getRoute: ask('route', { id: 'r1' }) },
        client: { getConsumer: async () => undefined },
        ctx: { shared: { get: ask('jwt', undefined) } },
        service: {
          request: {
            setHeader(_: string, value: string) {
              token = value
            },
          },
        },
      }
      const full = {
        ...{ header: 'Sluice-Token', issuer: 'sluice', expires_in: 300, clock_skew: 30, subject: 'username' },
        ...{ anonymous_consumers: [], claims_from: [], route: false, ...config },
      }
      await plugin.phases.access?.(kong as never, { config: full, scope, memory } as never)
      return jsonwebtoken.decode(token) as Record<string, unknown>
    }
  })
  afterEach(() => folder.remove())

  it('is the name of a service once in 10 s, for the entity that the plugin is bound to', async () => {
    const audience = async (scope: object) => (await access(scope)).aud
    assert.equal(await audience({ serviceId: 's1' }), 'words')
    service = { name: 'renamed' }
    clock.advance(9_999)
    assert.equal(await audience({ serviceId: 's1' }), 'words')
    assert.equal(await audience({ serviceId: 's2' }), 'renamed')
    clock.advance(1)
    assert.equal(await audience({ serviceId: 's1' }), 'renamed')
    assert.deepEqual(asked, ['service', 'service', 'service'])
  })

  it('is that of the route where it is bound to one: another route of the service may lead elsewhere', async () => {
    await access({ serviceId: 's1', routeId: 'r1' })
    service = { host: 'other' }
    assert.equal((await access({ serviceId: 's1', routeId: 'r2' })).aud, 'other')
    assert.equal((await access({ serviceId: 's1', routeId: 'r1' })).aud, 'words')
  })

  it('is asked each time where the answer depends on the request', async () => {
    await access({})
    service = { name: 'other' }
    assert.equal((await access({})).aud, 'other')
  })

  it('does not take the name of a route for that of its service', async () => {
    const scope = { routeId: 'r1' }
    for (let n = 0; n < 2; n++) {
      const { aud, route } = await access(scope, { route: true })
      assert.deepEqual([aud, route], ['words', 'r1'])
    }
    assert.deepEqual(asked.sort(), ['route', 'service'])
  })

  it('is nothing that the configuration says or does not need', async () => {
    assert.equal((await access({ serviceId: 's1' }, { audience: 'given' })).aud, 'given')
    assert.deepEqual(asked, [])
  })

  it('is refused by a route without a service, each time until it has one', async () => {
    service = undefined
    const refused = { code: 'SLUICE_PLUGIN_CONFIG' }
    for (let n = 0; n < 2; n++) await assert.rejects(access({ routeId: 'r1' }), refused)
    service = { name: 'words' }
    assert.equal((await access({ routeId: 'r1' })).aud, 'words')
  })

  it('is nothing without the folder of the keys: no instance is made', () => {
    const make = (settings: object) => plugin.instance?.({} as never, { host: { settings } } as never)
    assert.throws(() => make({}), { code: 'SLUICE_PLUGIN_CONFIG' })
    make({ keysDir: folder.path })
  })
})

describe('the claims of an upstream token', () => {
  const config = { issuer: 'sluice', anonymous_consumers: ['nobody', 'id-9'] }
  const asked = { audience: 'words', actSub: undefined, route: undefined }
  const subOf = (consumer: object | undefined, subject: 'username' | 'custom_id' | 'id' = 'username') =>
    identityOf(
      { ...config, subject },
      { ...asked, consumer: consumer && { id: 'id-1', tags: [], ...consumer } },
    ).sub

  it('name the consumer as configured, else by its id', () => {
    assert.equal(subOf({ username: 'eddie', customId: 'e1' }), 'eddie')
    assert.equal(subOf({ username: 'eddie', customId: 'e1' }, 'custom_id'), 'e1')
    assert.equal(subOf({ username: 'eddie', customId: 'e1' }, 'id'), 'id-1')
    assert.equal(subOf({ customId: 'e1' }), 'id-1')
  })

  it('call nobody and the consumers that stand for nobody anonymous', () => {
    assert.equal(subOf(undefined), 'anonymous')
    assert.equal(subOf({ username: 'nobody' }), 'anonymous')
    assert.equal(subOf({ id: 'id-9', username: 'x' }), 'anonymous')
  })

  it('name the user of a verified JWT by the first claim that it has', () => {
    const token = jsonwebtoken.sign({ uid: 17, email: 'a@b.c', empty: '' }, 'a secret of the tests')
    assert.equal(actSubOf(token, ['sub', 'empty', 'uid', 'email']), '17')
    assert.equal(actSubOf(token, ['sub']), undefined)
    assert.equal(actSubOf(undefined, ['sub']), undefined)
  })

  it('name a service and a route without a name by what else they have', () => {
    assert.equal(nameOfService({ id: 's', name: 'words', host: 'h' } as never), 'words')
    assert.equal(nameOfService({ id: 's', host: 'words.internal' } as never), 'words.internal')
    assert.equal(nameOfRoute({ id: 'r1', name: 'words' } as never), 'words')
    assert.equal(nameOfRoute({ id: 'r1' } as never), 'r1')
  })

  it('name no user for what is no JWT, or whose claim is no id', () => {
    const payloads = [
      fc.string(),
      fc.json(),
      fc.constantFrom('{"sub":{"a":1}}', '{"sub":["x"]}', '[1]', 'null'),
    ]
    fc.assert(
      fc.property(fc.oneof(...payloads), payload => {
        const found = actSubOf(`x.${Buffer.from(payload).toString('base64url')}.y`, [
          'sub',
          'toString',
          '__proto__',
        ])
        assert.ok(found === undefined || (found.length > 0 && found.length <= 256))
      }),
    )
    for (const token of [{}, 1, true, null, ['x.eyJzdWIiOiJhIn0.y']])
      assert.equal(actSubOf(token, ['sub']), undefined)
    const long = jsonwebtoken.sign({ sub: 'x'.repeat(257) }, 'a secret of the tests')
    assert.equal(actSubOf(long, ['sub']), undefined)
  })
})
