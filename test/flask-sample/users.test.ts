import assert from 'node:assert/strict'
import { createPublicKey, type JsonWebKey, randomUUID } from 'node:crypto'
import jsonwebtoken from 'jsonwebtoken'
import pg from 'pg'
import { untilLockWaits } from '../support/lock-waits.ts'
import {
  type CallOptions,
  call,
  type LoggedIn,
  newUser,
  type SamplePlatform,
  samplePlatform,
} from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'

describe('the sample users service', () => {
  let platform: SamplePlatform
  let admin: LoggedIn
  before(async function () {
    this.timeout(START_MS)
    platform = await samplePlatform()
    admin = await newUser(platform)
    await platform.users.run('make-admin', admin.email)
  })

  const users = (path: string, options: CallOptions = {}) => call(platform, 'users', path, options)
  const logIn = (email: string, password: string) => users('/users/login', { body: { email, password } })
  const refresh = (token: string) => users('/users/refresh', { body: { refresh_token: token } })
  const patch = (id: string, bearer: string, body: object, headers = {}) =>
    users(`/users/${id}`, { method: 'PATCH', bearer, body, headers })

  describe('registering', () => {
    it('makes an account, and tells where it is and at which version', async () => {
      const email = `${randomUUID()}@Example.org`
      const answer = await users('/users', { body: { email, name: 'Ada', password: 'correct horse' } })
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('location'), `/users/${answer.body.id}`)
      assert.equal(answer.headers.get('etag'), '"1"')
      const { id: _, created_at, updated_at, ...rest } = answer.body
      assert.deepEqual(rest, { email: email.toLowerCase(), name: 'Ada', role: 'user', version: 1 })
      assert.ok(Date.parse(created_at) && created_at === updated_at)
    })

    it('gives an email address one account, however it is written', async () => {
      const { email } = await newUser(platform)
      const answer = await users('/users', {
        body: { email: email.toUpperCase(), name: 'Eve', password: 'correct horse' },
      })
      assert.equal(answer.status, 409)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.deepEqual(answer.body.errors, [
        { pointer: '/email', detail: `${email} has an account already.` },
      ])
    })

    it('points to every wrong field', async () => {
      const body = { email: 'nobody', name: 'a\u0000b', password: 'short', role: 'admin' }
      const answer = await users('/users', { body })
      assert.equal(answer.status, 422)
      assert.equal(answer.body.title, 'Unprocessable Entity')
      const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)
      assert.deepEqual(pointers.sort(), ['/email', '/name', '/password', '/role'])
    })

    for (const [what, options, status] of [
      ['a body that is no JSON', { body: '{' }, 400],
      ['no body', { method: 'POST' }, 400],
      [
        'another type',
        { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
        415,
      ],
      ['a body of a megabyte', { body: { name: 'x'.repeat(1_000_000) } }, 413],
      ['another method', { method: 'DELETE' }, 405],
    ] as const)
      it(`answers ${status} as a problem to ${what}`, async () => {
        const answer = await users('/users', options)
        assert.deepEqual(
          [answer.status, answer.body.status, answer.headers.get('content-type')],
          [status, status, 'application/problem+json'],
        )
        assert.ok(answer.body.detail.length > 10)
      })
  })

  describe('logging in', () => {
    it('gives an ES256 access token of ten minutes that its JWKS verifies', async () => {
      const { id, bearer } = await newUser(platform)
      const jwks = (await (await fetch(`${platform.users.url}/.well-known/jwks.json`)).json()) as {
        keys: { kid: string }[]
      }
      const head = jsonwebtoken.decode(bearer, { complete: true })!.header
      const jwk = jwks.keys.find(({ kid }) => kid === head.kid)
      assert.ok(jwk && !('d' in jwk))
      const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
      const claims = jsonwebtoken.verify(bearer, key, { algorithms: ['ES256'], issuer: 'sample-users' })
      assert.ok(typeof claims === 'object')
      assert.equal(claims.sub, id)
      assert.equal(claims.exp! - claims.iat!, 600)
    })

    it('says the same for a wrong password and an unknown account', async () => {
      const { email } = await newUser(platform)
      const wrong = await logIn(email, 'not the password')
      const unknown = await logIn(`${randomUUID()}@example.org`, 'not the password')
      assert.equal(wrong.status, 401)
      assert.deepEqual(wrong.body, unknown.body)
    })

    it('signs with a new key from its time on, and publishes it before', async () => {
      const user = await newUser(platform)
      const kidOf = (token: string) => jsonwebtoken.decode(token, { complete: true })!.header.kid
      const published = async () => {
        const answer = await fetch(`${platform.users.url}/.well-known/jwks.json`)
        return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
      }
      const [later, now] = await Promise.all([
        platform.users.run('rotate-key', '3600'),
        platform.users.run('rotate-key', '0'),
      ])
      let token = user.bearer
      while (kidOf(token) !== now) token = (await logIn(user.email, user.password)).body.access_token
      const kids = await published()
      assert.ok([later, now, kidOf(user.bearer)].every(kid => kids.includes(kid!)))
      assert.equal((await users('/users/me', { bearer: user.bearer })).status, 200)
      assert.equal((await users('/users/me', { bearer: token })).status, 200)
    })
  })

  describe('a refresh token', () => {
    it('is good once, and gives the next one', async () => {
      const { refreshToken } = await newUser(platform)
      const second = await refresh(refreshToken)
      assert.equal(second.status, 200)
      assert.equal(second.headers.get('cache-control'), 'no-store')
      assert.equal((await refresh(second.body.refresh_token)).status, 200)
    })

    it('that is used again ends all sessions of its login, and no others', async () => {
      const user = await newUser(platform)
      const other = (await logIn(user.email, user.password)).body.refresh_token
      const next = (await refresh(user.refreshToken)).body.refresh_token
      const again = await refresh(user.refreshToken)
      assert.equal(again.status, 401)
      assert.match(again.body.detail, /was used before, so all sessions of its login have ended/)
      assert.equal((await refresh(next)).status, 401)
      assert.equal((await refresh(other)).status, 200)
    })

    it('that is used twice at once gives one next token at most', async () => {
      const { refreshToken } = await newUser(platform)
      const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(refreshToken)))
      const statuses = answers.map(({ status }) => status).sort()
      assert.deepEqual(statuses, [200, 401, 401, 401, 401])
    })

    it('ends with a logout, and with a new password', async () => {
      const user = await newUser(platform)
      const other = (await logIn(user.email, user.password)).body.refresh_token
      const logout = await users('/users/logout', { body: { refresh_token: user.refreshToken } })
      assert.equal(logout.status, 204)
      assert.equal((await refresh(user.refreshToken)).status, 401)
      const change = { password: 'another horse', current_password: user.password }
      assert.equal((await patch(user.id, user.bearer, change)).status, 200)
      assert.equal((await refresh(other)).status, 401)
      assert.equal((await logIn(user.email, 'another horse')).status, 200)
    })
  })

  it('begins no session with a password that is being changed, and goes on with none', async () => {
    const user = await newUser(platform)
    const database = new pg.Client({ connectionString: platform.databaseUrl })
    await database.connect()
    try {
      await database.query('begin')
      await database.query(
        `update users.users set version = version + 1, password_hash =
          (select password_hash from users.users where id = $1) where id = $2`,
        [admin.id, user.id],
      )
      const answers = [logIn(user.email, user.password), refresh(user.refreshToken)]
      await untilLockWaits(database, 2)
      await database.query('update users.refresh_tokens set revoked_at = now() where user_id = $1', [user.id])
      await database.query('commit')
      assert.deepEqual(
        (await Promise.all(answers)).map(({ status }) => status),
        [401, 401],
      )
    } finally {
      await database.end()
    }
  })

  describe('accounts', () => {
    it('are seen and changed by their owners and by admins', async () => {
      const [user, other] = await Promise.all([newUser(platform), newUser(platform)])
      const read = (id: string, bearer?: string) => users(`/users/${id}`, bearer ? { bearer } : {})
      assert.equal((await read(user.id)).status, 401)
      assert.equal((await read(user.id, user.bearer)).body.email, user.email)
      assert.equal((await read(user.id, other.bearer)).status, 403)
      assert.equal((await read(user.id, admin.bearer)).status, 200)
      assert.equal((await read(randomUUID(), admin.bearer)).status, 404)
      assert.equal((await users('/users', { bearer: user.bearer })).status, 403)
    })

    it('get their roles from admins only, and nobody changes their own', async () => {
      const user = await newUser(platform)
      for (const [id, bearer] of [
        [user.id, user.bearer],
        [admin.id, admin.bearer],
      ] as const) {
        const answer = await patch(id, bearer, { role: 'admin' })
        assert.deepEqual([answer.status, answer.body.errors[0].pointer], [403, '/role'])
      }
      assert.equal((await patch(user.id, admin.bearer, { role: 'admin' })).body.role, 'admin')
      assert.equal((await users('/users', { bearer: user.bearer })).status, 200)
    })

    it('want the present password for a new one, or for a new email', async () => {
      const user = await newUser(platform)
      for (const change of [{ password: 'another horse' }, { email: 'new@example.org' }]) {
        const answer = await patch(user.id, user.bearer, change)
        assert.deepEqual([answer.status, answer.body.errors[0].pointer], [403, '/current_password'])
      }
      assert.equal((await patch(user.id, user.bearer, { name: 'Ada L.' })).body.name, 'Ada L.')
    })

    it('are changed by one of several who saw the same version', async () => {
      const user = await newUser(platform)
      const names = ['one', 'two', 'three', 'four']
      const answers = await Promise.all(
        names.map(name => patch(user.id, user.bearer, { name }, { 'if-match': '"1"' })),
      )
      const won = answers.filter(({ status }) => status === 200)
      assert.equal(won.length, 1)
      assert.ok(answers.every(({ status }) => [200, 409, 412].includes(status)))
      const { body } = await users('/users/me', { bearer: user.bearer })
      assert.deepEqual([body.name, body.version], [won[0]!.body.name, 2])
    })

    it('answer 304 to who has the version already', async () => {
      const { bearer } = await newUser(platform)
      const answer = await users('/users/me', { bearer, headers: { 'if-none-match': '"1"' } })
      assert.deepEqual([answer.status, answer.body], [304, undefined])
    })

    it('are listed page by page, the newest first', async () => {
      const [older, newer] = [await newUser(platform), await newUser(platform)]
      const list = (query: string) => users(`/users?${query}`, { bearer: admin.bearer })
      const first = await list('limit=1')
      assert.equal(first.body.data[0].id, newer.id)
      assert.equal(first.headers.get('link'), `<?limit=1&cursor=${first.body.next}>; rel="next"`)
      const second = await list(`limit=1&cursor=${first.body.next}`)
      assert.equal(second.body.data[0].id, older.id)
      for (const wrong of ['limit=0', 'limit=101', 'limit=x', 'cursor=nowhere']) {
        const answer = await list(wrong)
        assert.deepEqual([answer.status, answer.body.errors[0].parameter], [422, wrong.split('=')[0]])
      }
    })

    it('end with their sessions and tokens', async () => {
      const user = await newUser(platform)
      const answer = await users(`/users/${user.id}`, { method: 'DELETE', bearer: user.bearer })
      assert.equal(answer.status, 204)
      assert.equal((await users('/users/me', { bearer: user.bearer })).status, 401)
      assert.equal((await refresh(user.refreshToken)).status, 401)
      assert.equal((await logIn(user.email, user.password)).status, 401)
    })

    for (const [what, bearer] of [
      ['that somebody else signed', jsonwebtoken.sign({ sub: randomUUID(), iss: 'sample-users' }, 'secret')],
      ['without a signature', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`],
      ['that is none', 'x'],
    ] as const)
      it(`are closed to an access token ${what}`, async () => {
        const answer = await users('/users/me', { bearer })
        assert.equal(answer.status, 401)
        assert.match(answer.headers.get('www-authenticate')!, /^Bearer realm="users" error="invalid_token"$/)
      })
  })
})
