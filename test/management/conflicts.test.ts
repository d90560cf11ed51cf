import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { TIMING } from '../../management/changes/timing.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder } from '../support/folder.ts'
import { type Answer, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'

const KINDS = [
  ...(['services', 'routes', 'plugins', 'consumers', 'keyauth_credentials', 'acls'] as const),
  ...(['upstreams', 'targets', 'certificates', 'snis'] as const),
]

describe('undoing a change whose entities others have changed since', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  /** Milliseconds by which Kong's clock is ahead: what expires there does so without a wait. */
  let aheadMs = 0
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer({ now: () => Date.now() + aheadMs })
    manager = await startFilledManager({ SLUICE_ADMIN_URL: kong.url }, { timing: TIMING })
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  const call = (...args: Parameters<RunningManager['call']>): Promise<Answer> => manager.call(...args)
  /** Makes a change that is applied. @returns its id */
  const make = async (method: string, path: string, body?: unknown): Promise<string> => {
    const answer = await call(method, path, body)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.headers.get('sluice-change') ?? ''
  }
  const undo = (change: string) => call('POST', `/v1/changes/${change}/undo`)
  const refusal = ({ status, body }: Answer) => [
    status,
    ...(body.errors ?? []).map((one: { code: string }) => one.code),
  ]
  /** What Kong holds, without its times. */
  const rows = () =>
    KINDS.flatMap(kind =>
      kong.state
        .list(kind)
        .map(row => {
          const { updated_at: _u, created_at: _c, ttl: _t, ...rest } = row as Record<string, unknown>
          return `${kind} ${JSON.stringify(rest)}`
        })
        .toSorted(),
    )
  const assertUndone = async (change: string, before: readonly string[]) => {
    const undone = await undo(change)
    assert.equal(undone.body.state, 'applied', undone.text)
    assert.deepEqual(rows(), before)
    return undone.body.id as string
  }
  /** The undo is refused, and changes nothing. */
  const assertRefused = async (change: string, expected: readonly unknown[], text: RegExp) => {
    const before = rows()
    const answer = await undo(change)
    assert.deepEqual(refusal(answer), expected, answer.text)
    assert.match(answer.text, text)
    assert.deepEqual(rows(), before)
  }

  it('is refused where it would take along what came later', async () => {
    const made = await make('POST', '/v1/consumers', { username: 'later' })
    const key = await make('POST', '/v1/key-auths', { consumer: { username: 'later' }, key: 'later-key' })
    await assertRefused(
      made,
      [409, 'changed_since'],
      /key-auth credential \(consumer later\) was added since/,
    )
    await make('POST', `/v1/changes/${key}/undo`)
    assert.equal((await undo(made)).body.state, 'applied')
  })

  it('is refused where it would delete what was changed since, also in fields that were left out', async () => {
    const made = await make('POST', '/v1/services', { name: 'grown', host: 'h' })
    const grown = await make('PATCH', '/v1/services/grown', { tags: ['x'] })
    await assertRefused(made, [409, 'changed_since'], /was changed since: tags/)
    await make('POST', `/v1/changes/${grown}/undo`)
    assert.equal((await undo(made)).body.state, 'applied')
  })

  it('is not held up by what Kong has made up, nor by what discovery has added', async () => {
    const before = rows()
    const made = await make('POST', '/v1/changes', {
      operations: [
        { action: 'create', kind: 'consumers', body: { username: 'made-up' } },
        { action: 'create', kind: 'key-auths', body: { consumer: { username: 'made-up' } } },
        { action: 'create', kind: 'jwts', body: { consumer: { username: 'made-up' } } },
        { action: 'create', kind: 'plugins', body: { name: 'session' } },
        { action: 'create', kind: 'upstreams', body: { name: 'found' } },
      ],
    })
    const target = { upstream: { name: 'found' }, target: '10.0.0.9:80', tags: ['sluice-discovery'] }
    await make('POST', '/v1/targets', target)
    await assertUndone(made, before)
  })

  it('has nothing to delete where that was deleted already', async () => {
    const made = await make('POST', '/v1/consumers', { username: 'gone' })
    await make('DELETE', '/v1/consumers/gone')
    await assertUndone(made, rows())
  })

  it('is refused where something refers to what it would delete', async () => {
    const made = await make('POST', '/v1/services', { name: 'referred', host: 'h' })
    await make('POST', '/v1/routes', { name: 'refers', paths: ['/f'], service: { name: 'referred' } })
    await assertRefused(made, [409, 'referenced'], /refers/)
  })

  it('is refused where a name was given away', async () => {
    await make('POST', '/v1/consumers', { username: 'given' })
    const gone = await make('DELETE', '/v1/consumers/given')
    await make('POST', '/v1/consumers', { username: 'given' })
    await assertRefused(gone, [409, 'taken'], /username/)
  })

  it('is refused where what it belongs to is gone', async () => {
    await make('POST', '/v1/consumers', { username: 'parent' })
    await make('POST', '/v1/acls', { consumer: { username: 'parent' }, group: 'g' })
    const acl = kong.state.list('acls').find(({ group }) => group === 'g')
    const gone = await make('DELETE', `/v1/acls/${acl?.id}`)
    await make('DELETE', '/v1/consumers/parent')
    await assertRefused(gone, [409, 'reference'], /there is no consumer/)
  })

  it('is refused where what it would put back is gone', async () => {
    await make('POST', '/v1/consumers', { username: 'lost', custom_id: 'a' })
    const changed = await make('PATCH', '/v1/consumers/lost', { custom_id: 'b' })
    await make('DELETE', '/v1/consumers/lost')
    await assertRefused(changed, [409, 'changed_since'], /was deleted since/)
  })

  it('is refused for an entity that was made anew under its name', async () => {
    await make('POST', '/v1/consumers', { username: 'anew' })
    const changed = await make('PATCH', '/v1/consumers/anew', { tags: ['x'] })
    await make('DELETE', '/v1/consumers/anew')
    await make('POST', '/v1/consumers', { username: 'anew', tags: ['x'] })
    await assertRefused(changed, [409, 'changed_since'], /was deleted since/)
  })

  it('leaves alone what others have changed of the same entity', async () => {
    await make('POST', '/v1/services', { name: 'shared', host: 'h' })
    const first = await make('PATCH', '/v1/services/shared', { port: 81 })
    await make('PATCH', '/v1/services/shared', { retries: 1 })
    assert.equal((await undo(first)).body.state, 'applied')
    const { body } = await call('GET', '/v1/services/shared')
    assert.deepEqual([body.port, body.retries], [80, 1])
  })

  it('is done once, by whoever asks first', async () => {
    await make('POST', '/v1/services', { name: 'twice', host: 'h' })
    const changed = await make('PATCH', '/v1/services/twice', { port: 81 })
    const answers = await Promise.all([undo(changed), undo(changed), undo(changed)])
    const states = answers.map(({ status, body }) => (status === 200 ? body.state : status))
    assert.deepEqual(states.toSorted(), [409, 409, 'applied'], JSON.stringify(answers.map(a => a.text)))
    assert.equal((await call('GET', '/v1/services/twice')).body.port, 80)
  })

  it('brings back a whole tree, and takes it away again', async () => {
    const folder = makeFolder()
    const files = makeCertificates(folder.path)
    const [cert, key] = [files.certificate, files.key].map(file => readFileSync(file, 'utf8'))
    folder.remove()
    const made = await make('POST', '/v1/changes', {
      operations: [
        { action: 'create', kind: 'services', body: { name: 'tree', host: 'h' } },
        {
          action: 'create',
          kind: 'routes',
          body: { name: 'leaf', paths: ['/l'], service: { name: 'tree' } },
        },
        { action: 'create', kind: 'plugins', body: { name: 'key-auth', route: { name: 'leaf' } } },
        { action: 'create', kind: 'plugins', body: { name: 'cors', service: { name: 'tree' } } },
        { action: 'create', kind: 'consumers', body: { username: 'leaf' } },
        { action: 'create', kind: 'acls', body: { consumer: { username: 'leaf' }, group: 'leaf' } },
        { action: 'create', kind: 'upstreams', body: { name: 'tree' } },
        { action: 'create', kind: 'targets', body: { upstream: { name: 'tree' }, target: '10.0.0.1:80' } },
        { action: 'create', kind: 'certificates', body: { id: TREE, cert, key } },
        { action: 'create', kind: 'snis', body: { name: 'tree.test', certificate: { id: TREE } } },
      ],
    })
    const whole = rows()
    const gone = await make('POST', '/v1/changes', {
      operations: [
        { action: 'delete', kind: 'routes', key: 'leaf' },
        { action: 'delete', kind: 'services', key: 'tree' },
        { action: 'delete', kind: 'consumers', key: 'leaf' },
        { action: 'delete', kind: 'upstreams', key: 'tree' },
        { action: 'delete', kind: 'certificates', key: TREE },
      ],
    })
    const bare = rows()
    assert.equal(whole.length - bare.length, 10)
    const back = await assertUndone(gone, whole)
    const goneAgain = await assertUndone(back, bare)
    await assertUndone(goneAgain, whole)
    // As before: what is there is what the first change has made.
    await assertUndone(made, bare)
  })

  it('gives a key the time that it had left, and none to one whose time is over', async () => {
    await make('POST', '/v1/consumers', { username: 'timed' })
    const consumer = { username: 'timed' }
    await make('POST', '/v1/key-auths', { consumer, key: 'long', ttl: 3_600 })
    await make('POST', '/v1/key-auths', { consumer, key: 'short', ttl: 600 })
    const gone = await make('DELETE', '/v1/consumers/timed')
    aheadMs += 1_800_000
    // The manager learns Kong's time from its answers.
    await make('POST', '/v1/consumers', { username: 'now' })
    const back = await undo(gone)
    assert.equal(back.body.state, 'applied', back.text)
    const keys = kong.state.list('keyauth_credentials').filter(({ key }) => key === 'long' || key === 'short')
    assert.deepEqual(
      keys.map(({ key }) => key),
      ['long'],
    )
    const ttl = Number((keys[0] as { ttl?: number } | undefined)?.ttl)
    assert.ok(Math.abs(ttl - 1_800) < 60, String(ttl))
  })

  it('finds nothing to do where the key that it would delete has expired', async () => {
    await make('POST', '/v1/consumers', { username: 'expired' })
    const before = rows()
    const made = await make('POST', '/v1/changes', {
      operations: [
        {
          action: 'create',
          kind: 'key-auths',
          body: { consumer: { username: 'expired' }, key: 'e', ttl: 60 },
        },
        { action: 'create', kind: 'acls', body: { consumer: { username: 'expired' }, group: 'e' } },
      ],
    })
    aheadMs += 120_000
    await assertUndone(made, before)
  })
})

const TREE = '00000000-0000-4000-8000-00000000aaaa'
