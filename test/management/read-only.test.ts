import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Row } from '../../kong/admin/client.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS, sharedRedis } from '../support/services.ts'

describe('a manager that is read-only for maintenance', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    await fetch(`${kong.url}/services`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'there', host: 'h.test' }),
    })
    manager = await startFilledManager({
      SLUICE_ADMIN_URL: kong.url,
      SLUICE_REDIS_URL: (await sharedRedis()).url,
      SLUICE_MANAGER_READ_ONLY: 'true',
    })
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  it('reads, and plans', async () => {
    assert.equal((await manager.call('GET', '/v1/services/there')).status, 200)
    const plan = await manager.call('PATCH', '/v1/services/there?dry_run=1', { port: 1 })
    assert.deepEqual([plan.status, plan.body.steps[0].action], [200, 'update'])
  })

  it('refuses every change, and writes nothing', async () => {
    const before = JSON.stringify(kong.state.list('services'))
    const operations = [{ action: 'delete', kind: 'services', key: 'there' }]
    const file = '_format_version: "3.0"\nservices: []\n'
    const changes: readonly (readonly [string, string, unknown, Record<string, string>?])[] = [
      ['POST', '/v1/services', { name: 'other', host: 'h' }],
      ['PUT', '/v1/services/there', { host: 'h' }],
      ['PATCH', '/v1/services/there', { port: 1 }],
      ['DELETE', '/v1/services/there', undefined],
      ['POST', '/v1/changes', { operations }],
      ['POST', '/v1/changes', file, { 'content-type': 'application/yaml' }],
      ['POST', '/v1/apis', { name: 'x', url: 'http://x.test', paths: ['/x'] }],
    ]
    for (const [method, path, body, headers = {}] of changes) {
      const answer = await manager.call(method, path, body, { headers })
      assert.deepEqual([answer.status, answer.body.code], [503, 'SLUICE_MANAGER_READ_ONLY'], answer.text)
      assert.match(answer.body.detail, /maintenance/)
    }
    assert.equal(JSON.stringify(kong.state.list('services')), before)
    assert.deepEqual((await manager.call('GET', '/v1/changes')).body.data, [])
  })

  it('does not try again to undo a stuck change, and restores no drift', async () => {
    const [change, target] = [randomUUID(), randomUUID()]
    const client = new pg.Client({ connectionString: manager.env.SLUICE_MANAGER_POSTGRES_URL })
    await client.connect()
    try {
      await client.query(
        `insert into sluice_manager.changes (id, created_at, state, actor, origin, ended_at, is_published)
         values ($1, date_trunc('milliseconds', now()), 'stuck', 'somebody', 'POST /v1/services', now(), true)`,
        [change],
      )
      await client.query(
        `insert into sluice_manager.drift (kind, id, label, action, fields, seen_at)
         values ('targets', $1, 'a target', 'created', '{}', 'infinity')`,
        [target],
      )
      for (const path of [`/v1/changes/${change}/retry`, `/v1/drift/targets/${target}/restore`]) {
        const { status, body, text } = await manager.call('POST', path)
        assert.deepEqual([status, body.code], [503, 'SLUICE_MANAGER_READ_ONLY'], text)
      }
      assert.equal((await manager.call('GET', `/v1/changes/${change}`)).body.state, 'stuck')
      assert.deepEqual(
        (await manager.call('GET', '/v1/drift')).body.data.map(({ accepted_at }: Row) => accepted_at),
        [null],
      )
    } finally {
      await client.end()
    }
  })

  it('still changes what lies in Redis, since that is no configuration of Kong', async () => {
    const body = { kind: 'prefix', value: '/none-of-the-tests', reason: 'x' }
    assert.equal((await manager.call('POST', '/v1/cache/purge', body)).status, 200)
  })
})
