import assert from 'node:assert/strict'
import { TIMING } from '../../management/changes/timing.ts'
import type { RunningAdmin } from '../support/admin-server.ts'
import type { FaultyAdmin } from '../support/faulty-admin.ts'
import { useFaultyManager } from '../support/faulty-manager.ts'
import type { RunningManager } from '../support/manager.ts'
import { until } from '../support/until.ts'

const timing = { ...TIMING, settle: { waitMs: 50, forMs: 100 }, driftEveryMs: 3_600_000 }
const MANY = 120

describe('a change of many steps', function () {
  this.timeout(120_000)
  let kong: RunningAdmin
  let faulty: FaultyAdmin
  let manager: RunningManager
  useFaultyManager({ timing }, made => {
    ;({ kong, faulty, manager } = made)
  })

  const change = async (operations: readonly object[], expected: string) => {
    const answer = await manager.call('POST', '/v1/changes', { operations })
    const id = answer.headers.get('sluice-change') ?? assert.fail(answer.text)
    let state = ''
    await until('the change has ended', async () => {
      state = (await manager.call('GET', `/v1/changes/${id}`)).body.state
      return ['applied', 'undone', 'stuck', 'refused'].includes(state)
    })
    assert.equal(state, expected)
    return id
  }
  const many = <T>(make: (i: number) => T) => Array.from({ length: MANY }, (_, i) => make(i))
  const mirrored = async (path: string) =>
    (await manager.call('GET', `/v1/${path}?count=1&size=1`)).body.total as number

  it('asks Kong once for what many of its operations refer to', async () => {
    const { body: service } = await manager.call('POST', '/v1/services', { name: 'shared', host: 'h' })
    let asked = 0
    faulty.decide = (method, path) => {
      if (method === 'GET' && path === `/services/${service.id}`) asked++
      return 'pass'
    }
    const body = (i: number) => ({ name: `r${i}`, paths: [`/r${i}`], service: { id: service.id } })
    await change(
      many(i => ({ action: 'create', kind: 'routes', body: body(i) })),
      'applied',
    )
    assert.equal(asked, 1)
    assert.deepEqual([kong.state.list('routes').length, await mirrored('routes')], [MANY, MANY])
  })

  it('is undone as a whole when Kong refuses its last step, and its undo by hand takes along what it made', async () => {
    const operations = many(i => ({ action: 'create', kind: 'consumers', body: { username: `c${i}` } }))
    let writes = 0
    faulty.decide = method =>
      method === 'PUT' && ++writes >= MANY
        ? { status: 400, body: { message: 'no', name: 'schema violation', code: 2, fields: { tags: 'no' } } }
        : 'pass'
    await change(operations, 'undone')
    assert.deepEqual([kong.state.list('consumers'), await mirrored('consumers')], [[], 0])
    faulty.decide = () => 'pass'
    const id = await change(operations, 'applied')
    assert.deepEqual([kong.state.list('consumers').length, await mirrored('consumers')], [MANY, MANY])
    const undo = await manager.call('POST', `/v1/changes/${id}/undo`)
    await until('it is undone', async () => {
      const change = await manager.call('GET', `/v1/changes/${undo.headers.get('sluice-change')}`)
      return change.body.state === 'applied'
    })
    assert.deepEqual([kong.state.list('consumers'), await mirrored('consumers')], [[], 0])
  })

  it('is undone soon after Kong was away in the middle of its undo', async () => {
    let writes = 0
    let isAway = false
    faulty.decide = method => {
      if (isAway) return 'lose-request'
      if (method === 'GET' || ++writes < MANY / 2) return 'pass'
      isAway = true
      return 'lose-answer'
    }
    const answer = await manager.call(
      'POST',
      '/v1/changes',
      { operations: many(i => ({ action: 'create', kind: 'consumers', body: { username: `d${i}` } })) },
      { headers: { prefer: 'respond-async' } },
    )
    const id = answer.headers.get('sluice-change') ?? assert.fail(answer.text)
    const attempts = async () => (await manager.call('GET', `/v1/changes/${id}`)).body.attempts ?? 0
    await until('two attempts have failed', async () => (await attempts()) >= 2)
    faulty.decide = () => 'pass'
    await until('it is undone', async () => {
      const { state } = (await manager.call('GET', `/v1/changes/${id}`)).body
      assert.notEqual(state, 'stuck')
      return state === 'undone'
    })
    assert.deepEqual([kong.state.list('consumers'), await mirrored('consumers')], [[], 0])
  })
})
