import assert from 'node:assert/strict'
import pg from 'pg'
import { BrowserSession } from '../support/browser-session.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { runSluice } from '../support/run-sluice.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

describe("the manager's operators and tokens", function () {
  this.timeout(60_000)
  let manager: RunningManager

  before(async function () {
    this.timeout(START_MS)
    manager = await startTestManager({ SLUICE_ADMIN_URL: 'http://127.0.0.1:9' })
  })
  after(() => manager?.close())

  const statusOf = async (token: string) => (await manager.call('GET', '/v1/me', undefined, { token })).status

  it('are for admins', async () => {
    for (const token of [manager.tokens.viewer, manager.tokens.editor])
      for (const [method, path, body] of [
        ['GET', '/v1/operators'],
        ['POST', '/v1/operators', { name: 'eve', role: 'admin' }],
        ['PATCH', '/v1/operators/viewer', { role: 'admin' }],
        ['DELETE', '/v1/operators/admin'],
        ['GET', '/v1/tokens'],
        ['POST', '/v1/tokens', { operator: 'admin', name: 'mine' }],
        ['DELETE', '/v1/tokens/00000000-0000-4000-8000-000000000000'],
      ] as const) {
        const answer = await manager.call(method, path, body, { token })
        assert.deepEqual(
          [answer.status, answer.body.code],
          [403, 'SLUICE_MANAGER_FORBIDDEN'],
          `${method} ${path}`,
        )
      }
  })

  it('are added, listed, changed and disabled', async () => {
    const added = await manager.call('POST', '/v1/operators', { name: 'jason', role: 'viewer' })
    assert.deepEqual([added.status, added.headers.get('location')], [201, '/v1/operators/jason'])
    assert.deepEqual([added.body.has_password, added.body.disabled_at], [false, null])
    const again = await manager.call('POST', '/v1/operators', { name: 'Jason', role: 'viewer' })
    assert.deepEqual([again.status, again.body.code], [409, 'SLUICE_MANAGER_CONFLICT'])
    const changed = await manager.call('PATCH', '/v1/operators/JASON', { role: 'editor' })
    assert.deepEqual([changed.status, changed.body.name, changed.body.role], [200, 'jason', 'editor'])
    assert.equal((await manager.call('DELETE', '/v1/operators/jason')).status, 204)
    assert.equal((await manager.call('DELETE', '/v1/operators/jason')).status, 204)
    assert.equal((await manager.call('PATCH', '/v1/operators/jason', { role: 'viewer' })).status, 409)
    assert.equal((await manager.call('DELETE', '/v1/operators/nobody')).status, 404)
    const { body } = await manager.call('GET', '/v1/operators')
    const jason = body.data.find((row: { name: string }) => row.name === 'jason')
    assert.match(jason.disabled_at, /^\d{4}-/)
  })

  it('keep an admin', async () => {
    const demoted = await manager.call('PATCH', '/v1/operators/admin', { role: 'viewer' })
    assert.deepEqual([demoted.status, demoted.body.code], [409, 'SLUICE_MANAGER_CONFLICT'])
    assert.equal((await manager.call('DELETE', '/v1/operators/admin')).status, 409)
    assert.equal(await statusOf(manager.tokens.admin), 200)
  })

  it('keep one of two admins who disable each other at once', async () => {
    const make = (name: string) => manager.call('POST', '/v1/operators', { name, role: 'admin' })
    await Promise.all([make('first'), make('second')])
    const answers = await Promise.all(
      ['first', 'second', 'admin'].map(name => manager.call('DELETE', `/v1/operators/${name}`)),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 204, 409])
    const client = new pg.Client({ connectionString: String(manager.env.SLUICE_MANAGER_POSTGRES_URL) })
    await client.connect()
    const { rows } = await client.query(
      "select name from sluice_manager.operators where role = 'admin' and disabled_at is null",
    )
    assert.equal(rows.length, 1)
    // What follows needs the token of this one.
    await client.query("update sluice_manager.operators set disabled_at = null where name = 'admin'")
    await client.end()
  })

  it('tell what is wrong with a request', async () => {
    const faulty: readonly (readonly [unknown, number, string])[] = [
      [{ name: 'x y', role: 'viewer' }, 400, '/name'],
      [{ name: 'xy', role: 'owner' }, 400, '/role'],
      [{ name: 'xy', role: 'viewer', password: 'short' }, 422, '/password'],
      [{ name: 'xy', role: 'viewer', admin: true }, 400, '/admin'],
    ]
    for (const [body, status, pointer] of faulty) {
      const answer = await manager.call('POST', '/v1/operators', body)
      assert.equal(answer.status, status, answer.text)
      assert.ok(
        answer.body.errors.some((fault: { pointer: string }) => fault.pointer === pointer),
        answer.text,
      )
    }
  })

  it('get a password on the command line', async () => {
    await manager.call('POST', '/v1/operators', { name: 'cli', role: 'viewer' })
    const { code, stderr } = await runSluice(
      ['manager', 'operator', 'password', 'cli'],
      manager.env as Record<string, string>,
      'a phrase from a pipe\n',
    )
    assert.equal(code, 0, stderr)
    assert.equal((await new BrowserSession(manager.url).login('cli', 'a phrase from a pipe')).status, 200)
  })

  it('have tokens that are shown once and end when revoked', async () => {
    const made = await manager.call('POST', '/v1/tokens', { operator: 'viewer', name: 'ci', days: 30 })
    assert.equal(made.status, 201, made.text)
    assert.match(made.body.token, /^sluice_/)
    assert.equal(await statusOf(made.body.token), 200)
    const listed = await manager.call('GET', '/v1/tokens')
    assert.ok(!listed.text.includes(made.body.token))
    const row = listed.body.data.find((one: { id: string }) => one.id === made.body.id)
    assert.deepEqual([row.operator, row.name], ['viewer', 'ci'])
    const days = (Date.parse(row.expires_at) - Date.parse(row.created_at)) / 86_400_000
    assert.ok(Math.abs(days - 30) < 0.01)
    assert.equal((await manager.call('DELETE', `/v1/tokens/${made.body.id}`)).status, 204)
    assert.equal(await statusOf(made.body.token), 401)
    assert.equal((await manager.call('DELETE', `/v1/tokens/${made.body.id}`)).status, 404)
    const again = await manager.call('POST', '/v1/tokens', { operator: 'nobody', name: 'ci' })
    assert.deepEqual([again.status, again.body.code], [404, 'SLUICE_MANAGER_NOT_FOUND'])
  })

  it('have tokens that end with their time, and with their operator', async () => {
    await manager.call('POST', '/v1/operators', { name: 'leaver', role: 'viewer' })
    const make = async (name: string) =>
      (await manager.call('POST', '/v1/tokens', { operator: 'leaver', name, days: 1 })).body.token
    const [first, second] = [await make('first'), await make('second')]
    assert.deepEqual([await statusOf(first), await statusOf(second)], [200, 200])
    const client = new pg.Client({ connectionString: manager.env.SLUICE_MANAGER_POSTGRES_URL })
    await client.connect()
    await client.query("update sluice_manager.tokens set expires_at = now() where name = 'first'")
    await client.end()
    // An answer of the database is good for a second.
    await until('the first has ended', async () => (await statusOf(first)) === 401)
    assert.equal(await statusOf(second), 200)
    assert.equal((await manager.call('DELETE', '/v1/operators/leaver')).status, 204)
    assert.equal(await statusOf(second), 401)
    const more = await manager.call('POST', '/v1/tokens', { operator: 'leaver', name: 'third' })
    assert.deepEqual([more.status, more.body.code], [409, 'SLUICE_MANAGER_CONFLICT'])
  })
})
