import assert from 'node:assert/strict'
import { TIMING } from '../../management/changes/timing.ts'
import type { RunningAdmin } from '../support/admin-server.ts'
import type { FaultyAdmin } from '../support/faulty-admin.ts'
import { useFaultyManager } from '../support/faulty-manager.ts'
import type { Answer, RunningManager } from '../support/manager.ts'
import { runSluice } from '../support/run-sluice.ts'
import { until } from '../support/until.ts'

const timing = { ...TIMING, settle: { waitMs: 50, forMs: 100 } }

describe('the history of changes', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let faulty: FaultyAdmin
  let manager: RunningManager
  useFaultyManager({ timing }, made => {
    ;({ kong, faulty, manager } = made)
  })

  const call = (...args: Parameters<RunningManager['call']>): Promise<Answer> => manager.call(...args)
  const changeOf = ({ headers }: Answer) => headers.get('sluice-change') ?? ''
  const codes = ({ status, body }: Answer) => [
    status,
    ...(body.errors ?? []).map((one: { code: string }) => one.code),
  ]
  const rowsOf = () =>
    (['services', 'routes', 'plugins', 'consumers', 'keyauth_credentials'] as const).flatMap(kind =>
      kong.state.list(kind).map(row => {
        const { updated_at: _u, created_at: _c, ...rest } = row as Record<string, unknown>
        return [kind, rest] as const
      }),
    )

  it('lists changes, the newest first, page by page, by state, actor and entity', async () => {
    const made = await call('POST', '/v1/services', { name: 'listed', host: 'h' })
    await call('PATCH', '/v1/services/listed', { port: 81 })
    const token = manager.tokens.editor
    await call(
      'PATCH',
      '/v1/services/listed',
      { port: 82 },
      { token, headers: { 'sluice-reason': 'why not' } },
    )
    await call('POST', '/v1/consumers', { username: 'other' })
    const query = `kind=services&entity=${made.body.id}`
    const seen: string[] = []
    let path: string | null = `/v1/changes?size=1&${query}`
    while (path !== null) {
      const { body, text } = await call('GET', path)
      assert.equal(body.data.length, 1, text)
      seen.push(`${body.data[0].actor} ${body.data[0].origin}`)
      path = body.next
    }
    assert.deepEqual(seen, [
      'editor PATCH /v1/services/listed',
      'admin PATCH /v1/services/listed',
      'admin POST /v1/services',
    ])
    const { data } = (await call('GET', '/v1/changes?actor=editor&state=applied')).body
    assert.deepEqual(
      [data.length, data[0].reason, data[0].entities, data[0].state],
      [1, 'why not', ['service listed'], 'applied'],
    )
    assert.deepEqual((await call('GET', '/v1/changes?state=stuck')).body.data, [])
    assert.equal((await call('GET', '/v1/changes?kind=services')).status, 400)
    assert.equal((await call('GET', '/v1/changes?cursor=x')).status, 400)
  })

  it('undoes an applied change, and undoes that again', async () => {
    const before = rowsOf()
    const operations = [
      { action: 'create', kind: 'services', body: { name: 'undone', host: 'h' } },
      { action: 'create', kind: 'routes', body: { name: 'r', paths: ['/u'], service: { name: 'undone' } } },
      { action: 'update', kind: 'services', key: 'listed', body: { port: 99, tags: ['x'] } },
    ]
    const change = await call('POST', '/v1/changes', { operations })
    assert.equal(change.body.state, 'applied', change.text)
    const after = rowsOf()
    const plan = await call('POST', `/v1/changes/${change.body.id}/undo?dry_run=1`)
    assert.equal(plan.body.steps.length, 3, plan.text)
    const undone = await call('POST', `/v1/changes/${change.body.id}/undo`, { reason: 'a mistake' })
    assert.deepEqual([undone.status, undone.body.state], [200, 'applied'], undone.text)
    assert.deepEqual(rowsOf(), before)
    const { body } = await call('GET', `/v1/changes/${change.body.id}`)
    assert.equal(body.undone_by, undone.body.id)
    assert.deepEqual([undone.body.undo_of, undone.body.reason], [change.body.id, 'a mistake'])
    const redone = await call('POST', `/v1/changes/${undone.body.id}/undo`)
    assert.equal(redone.body.state, 'applied', redone.text)
    assert.deepEqual(
      new Set(rowsOf().map(row => JSON.stringify(row))),
      new Set(after.map(row => JSON.stringify(row))),
    )
  })

  it('brings back what a deletion took along, with its secrets', async () => {
    await call('POST', '/v1/consumers', { username: 'jason' })
    await call('POST', '/v1/key-auths', { consumer: { username: 'jason' }, key: 'jasons-key' })
    const before = rowsOf()
    const gone = await call('DELETE', '/v1/consumers/jason')
    assert.equal(gone.status, 204)
    const back = await call('POST', `/v1/changes/${changeOf(gone)}/undo`)
    assert.equal(back.body.state, 'applied', back.text)
    assert.deepEqual(rowsOf(), before)
    assert.equal(back.text.includes('jasons-key'), false)
  })

  it('does not undo what somebody has changed since, or what is not applied, or cannot be undone', async () => {
    const first = await call('PATCH', '/v1/services/listed', { port: 1 })
    await call('PATCH', '/v1/services/listed', { port: 2 })
    const refused = await call('POST', `/v1/changes/${changeOf(first)}/undo`)
    assert.deepEqual(codes(refused), [409, 'changed_since'])
    assert.match(refused.text, /was changed since: port/)
    await call('POST', '/v1/consumers', { username: 'basic' })
    await call('POST', '/v1/basic-auths', { consumer: { username: 'basic' }, username: 'b', password: 'x' })
    const gone = await call('DELETE', '/v1/consumers/basic?irreversible=accept')
    assert.equal(gone.status, 204)
    assert.deepEqual(codes(await call('POST', `/v1/changes/${changeOf(gone)}/undo`)), [409, 'irreversible'])
    const wrong = await call('POST', '/v1/changes/00000000-0000-4000-8000-000000000000/undo')
    assert.equal(wrong.status, 404)
  })

  it('says why a change was undone, step by step', async () => {
    faulty.decide = (method, path) =>
      method === 'PUT' && path.startsWith('/routes/') ? { status: 500, body: { message: 'broken' } } : 'pass'
    const failed = await call('POST', '/v1/changes', {
      operations: [
        { action: 'create', kind: 'services', body: { name: 'half', host: 'h' } },
        {
          action: 'create',
          kind: 'routes',
          body: { name: 'half', paths: ['/h'], service: { name: 'half' } },
        },
      ],
    })
    assert.equal(failed.status, 502, failed.text)
    assert.match(failed.body.detail, /^creating route half .*failed/)
    const { body } = await call('GET', `/v1/changes/${changeOf(failed)}`)
    assert.deepEqual(
      [body.state, body.steps.map((step: { label: string; state: string }) => `${step.label} ${step.state}`)],
      ['undone', ['service half undone', 'route half (service half) undone']],
    )
    assert.match(body.failure.detail, /broken/)
    assert.equal((await call('GET', '/v1/services/half')).status, 404)
    assert.deepEqual(codes(await call('POST', `/v1/changes/${body.id}/undo`)), [409])
  })

  /** Makes a change that somebody interferes with while it is undone, so that it is stuck. */
  const getStuck = async () => {
    const { body: service } = await call('POST', '/v1/services', {
      name: `stuck-${Math.random()}`,
      host: 'h',
    })
    let patches = 0
    const refusal = (field: string) => ({
      status: 400,
      body: { message: 'refused', code: 2, name: 'schema violation', fields: { [field]: 'no' } },
    })
    faulty.decide = async (method, path) => {
      if (method === 'PUT' && path.startsWith('/consumers')) {
        await until('the service was changed', () => kong.state.get('services', service.id)?.port === 77)
        return refusal('username')
      }
      // The first one makes the change, the others are to undo it.
      const isUndo = method === 'PATCH' && path.includes(service.id) && ++patches > 1
      return isUndo ? refusal('port') : 'pass'
    }
    const failed = await call('POST', '/v1/changes', {
      operations: [
        { action: 'update', kind: 'services', key: service.id, body: { port: 77 } },
        { action: 'create', kind: 'consumers', body: { username: 'never' } },
      ],
    })
    const { body } = await call('GET', `/v1/changes/${changeOf(failed)}`)
    assert.equal(body.state, 'stuck', JSON.stringify(body))
    assert.deepEqual(
      body.stuck.map((one: { kind: string; id: string }) => `${one.kind} ${one.id}`),
      [`services ${service.id}`],
    )
    return { id: body.id as string, service: service.id as string }
  }

  it('keeps others from what is stuck until it was tried again', async () => {
    const { id, service } = await getStuck()
    const kept = await call('PATCH', `/v1/services/${service}`, { retries: 1 })
    assert.deepEqual(codes(kept), [409, 'stuck'])
    faulty.decide = () => 'pass'
    const retried = await call('POST', `/v1/changes/${id}/retry`, { reason: 'Kong is well again' })
    assert.deepEqual([retried.status, retried.body.state], [200, 'undone'], retried.text)
    assert.equal(kong.state.get('services', service)?.port, 80)
    assert.equal((await call('PATCH', `/v1/services/${service}`, { retries: 1 })).status, 200)
    assert.equal((await call('POST', `/v1/changes/${id}/retry`)).status, 409)
  })

  it('is there on the command line', async () => {
    const made = await call('POST', '/v1/services', { name: 'by-hand', host: 'h' })
    const env = {
      ...manager.env,
      SLUICE_MANAGER_PUBLIC_URL: manager.url,
      SLUICE_MANAGER_TOKEN: manager.tokens.editor,
    }
    const run = (...args: string[]) =>
      runSluice(['manager', 'change', ...args], env as Record<string, string>)
    const [list, shown, nothing] = await Promise.all([
      run('list', '--state', 'applied'),
      run('show', changeOf(made)),
      run('show', 'nothing'),
    ])
    assert.match(list.stdout, new RegExp(`^${changeOf(made)} +applied .* service by-hand$`, 'm'), list.stderr)
    assert.match(shown.stdout, /^done +create service by-hand .*\n(.*\n)*- +host +null → "h"$/m)
    assert.match(nothing.stderr, /SLUICE_MANAGER_NOT_FOUND/)
    const undone = await run('undo', changeOf(made), '--reason', 'not needed')
    assert.match(undone.stdout, /^state +applied\n[\s\S]*^reason +not needed$/m, undone.stderr)
    assert.equal((await call('GET', '/v1/services/by-hand')).status, 404)
  })

  it('leaves what is stuck as it is, with a reason', async () => {
    const { id, service } = await getStuck()
    faulty.decide = () => 'pass'
    assert.equal((await call('POST', `/v1/changes/${id}/resolve`)).status, 400)
    const resolved = await call('POST', `/v1/changes/${id}/resolve`, { reason: 'the port is right' })
    assert.equal(resolved.status, 200, resolved.text)
    assert.deepEqual(
      [resolved.body.resolution.actor, resolved.body.resolution.reason],
      ['admin', 'the port is right'],
    )
    assert.equal(kong.state.get('services', service)?.port, 77)
    assert.equal((await call('PATCH', `/v1/services/${service}`, { retries: 1 })).status, 200)
    assert.equal((await call('POST', `/v1/changes/${id}/resolve`, { reason: 'again' })).status, 409)
  })
})
