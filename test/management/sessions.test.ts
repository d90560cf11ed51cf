import assert from 'node:assert/strict'
import pg from 'pg'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { Database } from '../../management/database.ts'
import { startManager } from '../../management/manager.ts'
import { BrowserAccess } from '../../management/operators/browser.ts'
import { LoginPace } from '../../management/operators/login-pace.ts'
import { Operators } from '../../management/operators/operators.ts'
import { Sessions } from '../../management/operators/sessions.ts'
import { BrowserSession, loggedIn } from '../support/browser-session.ts'
import { untilLockWaits } from '../support/lock-waits.ts'
import { type Answer, type RunningManager, startTestManager } from '../support/manager.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'correct horse battery'
/** Nobody listens there: nothing of this needs Kong. */
const NO_KONG = 'http://127.0.0.1:9'

describe("the manager's sessions", function () {
  this.timeout(60_000)
  let manager: RunningManager
  let database: pg.Client

  before(async function () {
    this.timeout(START_MS)
    const url = await (await sharedPostgres()).createDatabase()
    manager = await startTestManager({
      SLUICE_ADMIN_URL: NO_KONG,
      SLUICE_MANAGER_POSTGRES_URL: url,
      SLUICE_POSTGRES_URL: url,
    })
    database = new pg.Client({ connectionString: url })
    await database.connect()
  })
  after(async () => {
    await database?.end()
    await manager?.close()
  })
  beforeEach(() => database.query('delete from sluice_manager.login_attempts'))

  async function addOperator(name: string, role = 'viewer'): Promise<void> {
    const { status, text } = await manager.call('POST', '/v1/operators', { name, role, password: PASSWORD })
    assert.equal(status, 201, text)
  }

  const codeOf = ({ status, body }: Answer) => [status, body.code]

  /** Data of the events of a type about an operator. */
  async function eventsOf(type: string, name: string): Promise<Record<string, unknown>[]> {
    const { rows } = await database.query<{ data: Record<string, unknown> }>(
      'select data from gateway_events where type = $1 and subject = $2 order by time',
      [type, `operator/${name}`],
    )
    return rows.map(({ data }) => data)
  }

  it('begin with name and password, and know their operator', async () => {
    await addOperator('ada', 'editor')
    const ada = new BrowserSession(manager.url)
    const answer = await ada.login('Ada', PASSWORD)
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(
      [answer.body.operator, answer.body.role, answer.body.via, answer.headers.get('cache-control')],
      ['ada', 'editor', 'session', 'no-store'],
    )
    const [cookie = ''] = answer.headers.getSetCookie()
    assert.match(cookie, /^sluice-session=[\w-]{43}; /)
    for (const attribute of ['Path=/', 'HttpOnly', 'SameSite=Strict'])
      assert.ok(cookie.includes(attribute), cookie)
    assert.ok(!cookie.includes('Secure'), 'over plain HTTP a browser would drop it')
    const { body } = await ada.call('GET', '/v1/session')
    assert.deepEqual(body, answer.body)
    assert.equal((await ada.call('GET', '/v1/me')).body.name, 'ada')
  })

  it('have a cookie behind TLS that browsers keep to this host', async () => {
    await addOperator('tess')
    const url = 'https://gateway.example.com'
    const behindTls = await startManager(readSettings({ ...manager.env, SLUICE_MANAGER_PUBLIC_URL: url }), {
      log: createLogger('silent'),
    })
    try {
      const tess = new BrowserSession(behindTls.url, url)
      const answer = await tess.login('tess', PASSWORD)
      const [cookie = ''] = answer.headers.getSetCookie()
      assert.match(cookie, /^__Host-sluice-session=/)
      assert.ok(cookie.includes('Secure') && cookie.includes('Path=/') && !cookie.includes('Domain'), cookie)
      assert.match(answer.headers.get('strict-transport-security') ?? '', /^max-age=\d+$/)
      assert.equal((await tess.call('GET', '/v1/session')).status, 200)
      const byAddress = new BrowserSession(behindTls.url)
      assert.deepEqual(codeOf(await byAddress.login('tess', PASSWORD)), [403, 'SLUICE_MANAGER_ORIGIN'])
    } finally {
      await behindTls.close()
    }
  })

  it('are not had over plain HTTP beyond loopback', async () => {
    await addOperator('plain')
    const open = await startManager(
      readSettings({ ...manager.env, SLUICE_MANAGER_PUBLIC_URL: 'http://gateway.example.com' }),
      { log: createLogger('silent') },
    )
    try {
      const answer = await new BrowserSession(open.url, 'http://gateway.example.com').login('plain', PASSWORD)
      assert.deepEqual(codeOf(answer), [403, 'SLUICE_MANAGER_ORIGIN'])
      assert.match(answer.body.detail, /SLUICE_MANAGER_PUBLIC_URL/)
    } finally {
      await open.close()
    }
  })

  it('need the page of the manager and its token for what changes something', async () => {
    await addOperator('csrf')
    const session = await loggedIn(manager.url, 'csrf', PASSWORD)
    const change = (headers: Record<string, string>) =>
      session.call('PUT', '/v1/session/password', { current: PASSWORD, new: 'another long phrase' }, headers)
    const refused = [403, 'SLUICE_MANAGER_ORIGIN']
    assert.deepEqual(codeOf(await change({ 'x-csrf-token': '' })), refused)
    assert.deepEqual(codeOf(await change({ 'x-csrf-token': 'a'.repeat(43) })), refused)
    assert.deepEqual(codeOf(await change({ origin: '' })), refused)
    assert.deepEqual(codeOf(await change({ origin: 'http://evil.example.com' })), refused)
    assert.deepEqual(codeOf(await change({ origin: 'http://127.0.0.1:1' })), refused)
    assert.deepEqual(codeOf(await change({ origin: 'null' })), refused)
    assert.equal((await session.call('GET', '/v1/session', undefined, { origin: '' })).status, 200)
    assert.equal((await change({})).status, 200)
  })

  it('do not begin from another page', async () => {
    await addOperator('login-csrf')
    for (const origin of ['http://evil.example.com', '']) {
      const answer = await new BrowserSession(manager.url).call(
        'POST',
        '/v1/session',
        { name: 'login-csrf', password: PASSWORD },
        { origin },
      )
      assert.deepEqual(codeOf(answer), [403, 'SLUICE_MANAGER_ORIGIN'])
      assert.deepEqual(answer.headers.getSetCookie(), [])
    }
  })

  it('take only ids that were issued here, and give a new one at each login', async () => {
    await addOperator('fixed')
    const session = new BrowserSession(manager.url)
    session.cookie = `sluice-session=${'x'.repeat(43)}`
    assert.deepEqual(codeOf(await session.call('GET', '/v1/session')), [
      401,
      'SLUICE_MANAGER_UNAUTHENTICATED',
    ])
    await session.login('fixed', PASSWORD)
    const first = session.cookie
    assert.notEqual(first, `sluice-session=${'x'.repeat(43)}`)
    await session.login('fixed', PASSWORD)
    assert.notEqual(session.cookie, first)
  })

  it('end when logged out, in every process', async () => {
    await addOperator('leaver')
    const other = await startManager(readSettings({ ...manager.env }), { log: createLogger('silent') })
    try {
      const session = await loggedIn(manager.url, 'leaver', PASSWORD)
      const elsewhere = new BrowserSession(other.url)
      elsewhere.cookie = session.cookie
      assert.equal((await elsewhere.call('GET', '/v1/session')).status, 200)
      const answer = await session.call('DELETE', '/v1/session')
      assert.equal(answer.status, 204)
      assert.match(answer.headers.getSetCookie()[0] ?? '', /^sluice-session=; .*Expires=Thu, 01 Jan 1970/)
      assert.equal((await elsewhere.call('GET', '/v1/session')).status, 401)
    } finally {
      await other.close()
    }
  })

  it('end after their time', async () => {
    await addOperator('late')
    const session = await loggedIn(manager.url, 'late', PASSWORD)
    const { rows } = await database.query<{ hours: number }>(
      `select extract(epoch from s.expires_at - s.created_at)::float8 / 3600 as hours from sluice_manager.sessions s
        join sluice_manager.operators o on o.id = s.operator_id where o.name = 'late'`,
    )
    assert.ok(Math.abs((rows[0]?.hours ?? 0) - 12) < 0.001)
    await database.query(
      `update sluice_manager.sessions set expires_at = now() from sluice_manager.operators o
        where o.id = operator_id and o.name = 'late'`,
    )
    assert.deepEqual(codeOf(await session.call('GET', '/v1/session')), [
      401,
      'SLUICE_MANAGER_UNAUTHENTICATED',
    ])
  })

  it('are listed and ended, by their operator or an admin', async () => {
    await addOperator('lister')
    // An editor may no more here than a viewer.
    await addOperator('stranger', 'editor')
    const [first, second] = [
      await loggedIn(manager.url, 'lister', PASSWORD),
      await loggedIn(manager.url, 'lister', PASSWORD),
    ]
    const stranger = await loggedIn(manager.url, 'stranger', PASSWORD)
    const { body } = await second.call('GET', '/v1/sessions')
    assert.deepEqual(
      body.data.map((row: Record<string, unknown>) => [row.operator, row.current]),
      [
        ['lister', true],
        ['lister', false],
      ],
    )
    const seen = await stranger.call('GET', '/v1/sessions')
    assert.deepEqual(
      seen.body.data.map(({ operator }: { operator: string }) => operator),
      ['stranger'],
    )
    const firstId = body.data[1].id
    assert.equal((await stranger.call('DELETE', `/v1/sessions/${firstId}`)).status, 404)
    assert.equal((await second.call('DELETE', `/v1/sessions/${firstId}`)).status, 204)
    assert.equal((await first.call('GET', '/v1/session')).status, 401)
    const all = await manager.call('GET', '/v1/sessions')
    const ofStranger = all.body.data.find((row: { operator: string }) => row.operator === 'stranger')
    assert.equal((await manager.call('DELETE', `/v1/sessions/${ofStranger.id}`)).status, 204)
    assert.equal((await stranger.call('GET', '/v1/session')).status, 401)
  })

  it('are twenty of an operator at most: the oldest ends where another one begins', async () => {
    await addOperator('many')
    const pool = new Database(manager.env.SLUICE_MANAGER_POSTGRES_URL ?? '', createLogger('silent'))
    try {
      const sessions = new Sessions(pool)
      const account = await new Operators(pool, systemClock).credentials('many')
      assert.ok(account)
      const secrets: string[] = []
      for (let n = 0; n < 21; n++) {
        const issued = await sessions.issue(account, { address: '192.0.2.1', agent: 'test' })
        secrets.push(issued?.secret ?? assert.fail('no session'))
      }
      const known = await Promise.all(secrets.map(secret => sessions.bySecret(secret)))
      assert.deepEqual(
        known.map(session => session !== undefined),
        [false, ...Array.from({ length: 20 }, () => true)],
      )
    } finally {
      await pool.close()
    }
  })

  it('are slowed down for an account however its name is written', async () => {
    const pool = new Database(manager.env.SLUICE_MANAGER_POSTGRES_URL ?? '', createLogger('silent'))
    const pace = new LoginPace(pool)
    // Forty ways to write one name, each from an address of its own.
    const names = Array.from({ length: 40 }, (_, n) =>
      [...'guesser'].map((letter, i) => ((n >> i) & 1 ? letter.toUpperCase() : letter)).join(''),
    )
    try {
      const begin = async () => {
        for (const [n, name] of names.entries()) await pace.begin(name, `192.0.2.${n}`)
      }
      await assert.rejects(begin(), { code: 'SLUICE_MANAGER_TOO_MANY' })
    } finally {
      await pool.close()
    }
  })

  it('are for the whole origin of the manager, and over plain HTTP for loopback alone', () => {
    const check = (managerPublicUrl: string, origin: string) => () =>
      new BrowserAccess({ managerPublicUrl, managerListen: undefined }).checkOrigin({
        headers: { origin },
        socket: { localPort: 1 },
      } as never)
    check('https://manager.test', 'https://manager.test')()
    check('http://localhost:9543', 'http://localhost:9543')()
    for (const [url, origin] of [
      ['https://manager.test', 'https://manager.test.evil.test'],
      ['https://manager.test', 'https://manager.test:8443'],
      ['http://localhost.evil.test', 'http://localhost.evil.test'],
      ['http://127.0.0.1.evil.test', 'http://127.0.0.1.evil.test'],
    ] as const)
      assert.throws(check(url, origin), { code: 'SLUICE_MANAGER_ORIGIN' }, `${url} ${origin}`)
  })

  it('end with another password, but for a new one of whoever changed it', async () => {
    await addOperator('changer')
    const [here, there] = [
      await loggedIn(manager.url, 'changer', PASSWORD),
      await loggedIn(manager.url, 'changer', PASSWORD),
    ]
    const before = here.cookie
    const body = { current: PASSWORD, new: 'a phrase of my own' }
    const wrong = await here.call('PUT', '/v1/session/password', { ...body, current: 'wrong' })
    assert.deepEqual(codeOf(wrong), [401, 'SLUICE_MANAGER_LOGIN'])
    const short = await here.call('PUT', '/v1/session/password', { ...body, new: 'short' })
    assert.deepEqual([short.status, short.body.errors[0].pointer], [422, '/new'])
    assert.equal((await here.call('PUT', '/v1/session/password', body)).status, 200)
    assert.notEqual(here.cookie, before)
    assert.equal((await here.call('GET', '/v1/session')).status, 200)
    assert.equal((await there.call('GET', '/v1/session')).status, 401)
    assert.equal((await new BrowserSession(manager.url).login('changer', PASSWORD)).status, 401)
    await loggedIn(manager.url, 'changer', body.new)
  })

  it('do not begin with a password that is being changed, and it is changed once', async () => {
    await addOperator('racer')
    const store = new Database(manager.env.SLUICE_MANAGER_POSTGRES_URL!, createLogger('silent'))
    const [operators, sessions] = [new Operators(store, systemClock), new Sessions(store)]
    const client = { address: '127.0.0.1', agent: 'test' }
    try {
      const found = (await operators.credentials('racer'))!
      await database.query('begin')
      await database.query("update sluice_manager.operators set password = 'another' where name = 'racer'")
      const login = sessions.issue(found, client)
      await untilLockWaits(database, 1)
      await database.query('commit')
      assert.equal(await login, undefined)
      assert.equal(await sessions.changePassword(found, 'mine', client), undefined)
      const again = (await operators.credentials('racer'))!
      assert.equal(again.password, 'another')
      assert.ok(await sessions.issue(again, client))
      await operators.setPassword('racer', 'a third')
      assert.deepEqual(await sessions.list(again.id), [])
    } finally {
      await store.close()
    }
  })

  it('end with another role, and when their operator is disabled, who has no other then', async () => {
    await addOperator('climber')
    const session = await loggedIn(manager.url, 'climber', PASSWORD)
    assert.equal(
      (await manager.call('PATCH', '/v1/operators/climber', { role: 'editor' })).body.role,
      'editor',
    )
    assert.equal((await session.call('GET', '/v1/session')).status, 401)
    const again = await loggedIn(manager.url, 'climber', PASSWORD)
    assert.equal((await manager.call('DELETE', '/v1/operators/climber')).status, 204)
    assert.equal((await again.call('GET', '/v1/session')).status, 401)
    const refused = await new BrowserSession(manager.url).login('climber', PASSWORD)
    assert.deepEqual(codeOf(refused), [401, 'SLUICE_MANAGER_LOGIN'])
  })

  it('know the address of a client behind a proxy that is trusted, and of no other', async () => {
    await addOperator('distant')
    const addressSeen = async (url: string) => {
      const session = new BrowserSession(url)
      const login = { name: 'distant', password: PASSWORD }
      const forwarded = { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' }
      assert.equal((await session.call('POST', '/v1/session', login, forwarded)).status, 200)
      const { data } = (await session.call('GET', '/v1/sessions')).body
      return data.find(({ current }: { current: boolean }) => current).address
    }
    assert.equal(await addressSeen(manager.url), '127.0.0.1')
    const start = (proxies: string) =>
      startManager(readSettings({ ...manager.env, SLUICE_MANAGER_TRUSTED_PROXIES: proxies }), {
        log: createLogger('silent'),
      })
    const behind = await start('10.0.0.0/8, 127.0.0.1')
    // What the client itself has written there stands further left.
    assert.equal(await addressSeen(behind.url).finally(() => behind.close()), '203.0.113.7')
    await assert.rejects(start('loopback'), { code: 'SLUICE_CONFIG_INVALID' })
  })

  it('leave a trail of events with their actors, and no password', async () => {
    await addOperator('traced')
    const session = await loggedIn(manager.url, 'traced', PASSWORD)
    await new BrowserSession(manager.url).login('traced', 'a wrong secret')
    await session.call('GET', '/v1/operators')
    await session.call('DELETE', '/v1/session')
    await until('the events are stored', async () => {
      const types = ['manager.login.failed.v1', 'manager.session.ended.v1', 'manager.request.refused.v1']
      for (const type of types) if ((await eventsOf(type, 'traced')).length !== 1) return false
      return true
    })
    assert.deepEqual(await eventsOf('manager.operator.changed.v1', 'traced'), [
      { actor: 'admin', name: 'traced', what: 'added', role: 'viewer' },
    ])
    assert.deepEqual(await eventsOf('manager.login.succeeded.v1', 'traced'), [
      { name: 'traced', address: '127.0.0.1' },
    ])
    const [refusal] = await eventsOf('manager.request.refused.v1', 'traced')
    assert.deepEqual([refusal?.path, refusal?.code], ['/v1/operators', 'SLUICE_MANAGER_FORBIDDEN'])
    const { rows } = await database.query(
      "select from gateway_events where data::text ~ 'horse|a wrong secret'",
    )
    assert.equal(rows.length, 0)
  })

  describe('slow logins down', () => {
    it('for an account, whatever process is asked, and not for its owner for long', async () => {
      await addOperator('guessed')
      const other = await startManager(readSettings({ ...manager.env }), { log: createLogger('silent') })
      try {
        const urls = [manager.url, other.url]
        const answers: Answer[] = []
        // A slow machine takes longer for a guess than the first pauses last; they grow.
        for (let i = 0; i < 20 && answers.at(-1)?.status !== 429; i++)
          answers.push(await new BrowserSession(urls[i % 2] ?? '').login('guessed', `guess number ${i}`))
        const refused = answers.pop()
        assert.ok(answers.length >= 5, `${answers.length} guesses were free`)
        assert.ok(answers.every(({ status }) => status === 401))
        assert.ok(refused)
        assert.deepEqual(codeOf(refused), [429, 'SLUICE_MANAGER_TOO_MANY'])
        const seconds = Number(refused.headers.get('retry-after'))
        assert.ok(seconds >= 1 && seconds <= 30, `Retry-After: ${seconds}`)
        await until('the owner may log in', async () => {
          const { status } = await new BrowserSession(manager.url).login('guessed', PASSWORD)
          return status === 200
        })
      } finally {
        await other.close()
      }
    })

    it('also when they come all at once', async () => {
      await addOperator('rushed')
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          new BrowserSession(manager.url).login('rushed', `guess number ${i}`),
        ),
      )
      const tried = answers.filter(({ status }) => status === 401).length
      assert.ok(tried >= 1 && tried <= 10, `${tried} passwords were tried`)
      assert.equal(tried + answers.filter(({ status }) => status === 429).length, 20)
    })

    it('for an address that tries many accounts', async () => {
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          new BrowserSession(manager.url).login(`nobody-${i}`, 'some password'),
        ),
      )
      assert.ok(answers.some(({ status }) => status === 429))
    })
  })
})
