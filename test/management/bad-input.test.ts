import assert from 'node:assert/strict'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type CallOptions, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'

const SECRET = 'needle-in-a-haystack'

interface Case {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly options?: CallOptions
  readonly status: number
  readonly code: string
  /** Pointers and codes of all faults, in any order. */
  readonly faults?: readonly string[]
}

const post = (
  path: string,
  body: unknown,
  rest: Pick<Case, 'what' | 'status' | 'code'> & Partial<Case>,
): Case => ({
  ...{ method: 'POST', path, body },
  ...rest,
})
const INVALID = { status: 422, code: 'SLUICE_MANAGER_INVALID' }
const MALFORMED = { status: 400, code: 'SLUICE_MANAGER_MALFORMED' }
const CONFLICT = { status: 409, code: 'SLUICE_MANAGER_CONFLICT' }

const CASES: readonly Case[] = [
  post(
    '/v1/services',
    { name: 'a b', hostt: 'x', port: 'eighty', retries: -1, tags: 'x' },
    {
      ...{ what: 'several faults at once', ...INVALID },
      faults: [
        '/host required',
        '/hostt unknown_field',
        '/name invalid',
        '/port type',
        '/retries invalid',
        '/tags type',
      ],
    },
  ),
  post(
    '/v1/plugins',
    { name: 'rate-limiting', config: { minute: 'x', hour: 1, policy: 'redis', nonsense: 1 } },
    {
      ...{ what: 'a contradictory configuration of a plugin', ...INVALID },
      faults: [
        ' invalid',
        '/config/minute type',
        '/config/nonsense unknown_field',
        '/config/redis/host required',
      ],
    },
  ),
  post(
    '/v1/consumers',
    { created_at: 9_224_318_016_000, username: 'nobody' },
    { ...{ what: 'a time that PostgreSQL cannot hold', ...INVALID }, faults: ['/created_at invalid'] },
  ),
  post(
    '/v1/consumers',
    { id: null, username: 'nobody' },
    { ...{ what: 'an id that is null', ...INVALID }, faults: ['/id type'] },
  ),
  post(
    '/v1/plugins',
    { name: 'rate-limiting', config: { minute: 1, redis: null, redis_host: 'a' } },
    {
      ...{ what: 'a field of before beside a record that is null, at which Kong breaks', ...INVALID },
      faults: ['/config/redis_host invalid'],
    },
  ),
  post(
    '/v1/plugins',
    { name: 'rate-limiting', config: { minute: 10, second: 20 } },
    {
      ...{ what: 'limits that contradict each other', ...INVALID },
      faults: ['/config invalid'],
    },
  ),
  post(
    '/v1/plugins',
    { name: 'rate-limiting', id: 7, protocols: ['tcp'], service: { name: 'there' }, config: { x: 1 } },
    {
      ...{ what: 'what our checks and those of Kong find, all at once', ...INVALID },
      faults: [
        ' invalid',
        '/config/x unknown_field',
        '/id type',
        '/protocols protocols',
        '/protocols/0 type',
      ],
    },
  ),
  post(
    '/v1/services',
    { name: 'other', host: 'h', tags: ['a\u0000b'], path: '/\ud800' },
    {
      ...{ what: 'text that PostgreSQL cannot store', ...MALFORMED },
      faults: ['/path invalid', '/tags/0 invalid'],
    },
  ),
  post(
    '/v1/upstreams',
    { name: 'up', slots: null, healthchecks: { active: [1] } },
    {
      ...{ what: 'null in a column of Kong that takes none, and a list for a record', ...INVALID },
      faults: ['/healthchecks/active/0 unknown_field', '/slots required'],
    },
  ),
  post(
    '/v1/certificates',
    { cert: 'x', key: 'x', snis: ['a.test', 'a.test'] },
    {
      ...{ what: 'a certificate for the same name twice', ...INVALID },
      faults: ['/cert invalid', '/key invalid', '/snis invalid'],
    },
  ),
  post(
    '/v1/plugins',
    { name: 'no-such', config: {} },
    {
      ...{ what: 'a plugin that this Kong does not have', ...INVALID },
      faults: ['/name unknown_plugin'],
    },
  ),
  post(
    '/v1/routes',
    { paths: ['/x'], service: { name: 'nowhere' } },
    {
      ...{ what: 'a reference to what is not there', ...CONFLICT },
      faults: ['/service reference'],
    },
  ),
  post(
    '/v1/services',
    { name: 'there', host: 'h' },
    {
      ...{ what: 'a name that somebody else has', ...CONFLICT },
      faults: ['/name taken'],
    },
  ),
  {
    ...{ what: 'an entity that others refer to', method: 'DELETE', path: '/v1/services/there', ...CONFLICT },
    faults: [' referenced'],
  },
  {
    ...{
      what: 'an entity that is not there',
      method: 'PATCH',
      path: '/v1/services/nowhere',
      body: { port: 1 },
    },
    ...{ status: 404, code: 'SLUICE_MANAGER_NOT_FOUND', faults: [' not_found'] },
  },
  {
    ...{ what: 'a path with something else than an id', method: 'PUT', path: '/v1/ca_certificates/mine' },
    ...{ body: {}, ...INVALID, faults: ['/cert required', '/id type'] },
  },
  post('/v1/services', '{"name":', { what: 'JSON that is cut off', ...MALFORMED }),
  post('/v1/services', [1], { what: 'JSON that is no object', ...MALFORMED, faults: [' type'] }),
  post(
    '/v1/services',
    { name: 'x'.repeat(1_100_000) },
    {
      ...{ what: 'a body that is too large', status: 413, code: 'SLUICE_MANAGER_TOO_LARGE' },
    },
  ),
  post('/v1/services', 'name=x', {
    what: 'a content type that is not taken',
    options: { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ...{ status: 415, code: 'SLUICE_MANAGER_MEDIA_TYPE' },
  }),
  {
    ...{ what: 'a stale If-Match', method: 'PATCH', path: '/v1/services/there', body: { port: 9 } },
    options: { headers: { 'if-match': '"stale"' } },
    ...{ status: 412, code: 'SLUICE_MANAGER_PRECONDITION', faults: [' if_match'] },
  },
  post(
    '/v1/services',
    { name: 'other', host: 'h' },
    {
      what: 'an Idempotency-Key that was used for another body',
      options: { headers: { 'idempotency-key': 'used' } },
      ...{ ...INVALID, faults: [' idempotency_key'] },
    },
  ),
  post(
    '/v1/services',
    { name: 'other', host: 'h' },
    {
      what: 'an Idempotency-Key that is none',
      options: { headers: { 'idempotency-key': 'with space' } },
      ...MALFORMED,
    },
  ),
  {
    ...{ what: 'a cursor that was made up', method: 'GET', path: '/v1/services?cursor=x', ...MALFORMED },
    faults: ['?cursor cursor'],
  },
  {
    ...{
      what: 'a token that nobody has',
      method: 'GET',
      path: '/v1/services',
      options: { token: 'sluice_x' },
    },
    ...{ status: 401, code: 'SLUICE_MANAGER_UNAUTHENTICATED' },
  },
  {
    ...{ what: 'a method that is not taken', method: 'PUT', path: '/v1/services', body: {} },
    ...{ status: 405, code: 'SLUICE_MANAGER_METHOD' },
  },
  post(
    '/v1/changes',
    {
      operations: [
        { action: 'make', kind: 'things' },
        { action: 'update', kind: 'routes' },
      ],
      x: 1,
    },
    {
      ...{ what: 'operations that are none', ...MALFORMED },
      faults: ['/operations/0/action invalid', '/operations/0/kind invalid', '/x unknown_field'],
    },
  ),
  post(
    '/v1/changes',
    { operations: [{ action: 'create', kind: 'services', key: 'x', body: {} }] },
    {
      ...{ what: 'a creation with a key', ...INVALID },
      faults: ['/operations/0/key invalid'],
    },
  ),
  post(
    '/v1/changes',
    {
      operations: [
        { action: 'update', kind: 'services', key: 'there', body: { port: 1 } },
        { action: 'update', kind: 'services', key: 'there', body: { port: 2 } },
      ],
    },
    { ...{ what: 'an entity that is named twice', ...INVALID }, faults: ['/operations/1/body twice'] },
  ),
  post(
    '/v1/key-auths',
    { consumer: { username: 'nobody' }, key: SECRET, tags: 1 },
    {
      ...{ what: 'a credential with faults, whose secret is told to nobody', ...INVALID },
      faults: ['/consumer reference', '/tags type'],
    },
  ),
  post('/v1/changes', `_format_version: "3.0"\nservices:\n- name: x\n  hostt: y\n`, {
    what: 'a file with mistakes',
    options: { headers: { 'content-type': 'application/yaml' } },
    ...INVALID,
  }),
]

describe('what is wrong with a request', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  let untouched: string
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startFilledManager({ SLUICE_ADMIN_URL: kong.url })
    const headers = { 'idempotency-key': 'used' }
    await manager.call('POST', '/v1/services', { name: 'there', host: 'h' }, { headers })
    await manager.call('POST', '/v1/routes', { paths: ['/there'], service: { name: 'there' } })
    untouched = snapshot()
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })
  const snapshot = () =>
    JSON.stringify([kong.state.list('services'), kong.state.list('routes'), kong.state.list('plugins')])

  for (const { what, method, path, body, options, status, code, faults } of CASES)
    it(`is told: ${what}`, async () => {
      const answer = await manager.call(method, path, body, options)
      assert.equal(answer.status, status, answer.text)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(answer.body.code, code)
      assert.ok(answer.body.detail.length > 0 && answer.body.remedy.length > 0, answer.text)
      const found = (answer.body.errors ?? []) as { pointer: string; code: string; detail: string }[]
      if (faults)
        assert.deepEqual(
          found.map(one => `${one.pointer} ${one.code}`).sort(),
          [...faults].sort(),
          answer.text,
        )
      for (const one of found) assert.ok(one.detail.length > 0)
      assert.equal(answer.text.includes(SECRET), false)
      assert.equal(snapshot(), untouched, 'nothing was done')
    })
})
