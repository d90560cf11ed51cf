import assert from 'node:assert/strict'
import { AddressPolicy, kongInterfaces } from '../../management/policy/addresses.ts'
import { placesOf } from '../../management/policy/places.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type Answer, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'kong.test': ['10.0.0.1'],
  'alias.test': ['203.0.113.9', '10.0.0.1'],
  'store.test': ['10.0.0.2'],
  localhost: ['127.0.0.1', '::1'],
  'public.test': ['203.0.113.9'],
  '2130706433': ['127.0.0.1'],
}
const lookUp = async (host: string) => NAMES[host] ?? []
const guarded = [
  kongInterfaces(new URL('http://kong.test:9001')),
  { what: 'PostgreSQL', host: 'store.test', ports: [5432] },
]

describe('addresses that nobody may point to', () => {
  const refused: readonly (readonly [host: string, port: number | undefined, reason: RegExp])[] = [
    ['kong.test', 9001, /Admin or status API/],
    ['10.0.0.1', 8001, /Admin or status API/],
    ['::ffff:10.0.0.1', 8007, /Admin or status API/],
    ['alias.test', 8444, /Admin or status API/],
    ['kong.test', undefined, /Admin or status API/],
    ['store.test', 5432, /PostgreSQL/],
    ['127.0.0.1', 80, /loopback/],
    ['127.9.9.9', 80, /loopback/],
    ['localhost', 80, /loopback/],
    ['2130706433', 80, /loopback/],
    ['[::1]', 80, /loopback/],
    ['0:0:0:0:0:0:0:1', 80, /loopback/],
    ['::ffff:127.0.0.1', 80, /loopback/],
    ['0.0.0.0', 80, /loopback/],
    ['169.254.169.254', 80, /link-local/],
    ['fe80::1', 80, /link-local/],
  ]
  for (const [host, port, reason] of refused)
    it(`are ${host}:${port}`, async () => {
      assert.match(
        String(await new AddressPolicy({ guarded, allowed: undefined, lookUp }).refusal(host, port)),
        reason,
      )
    })

  it('are none of the others', async () => {
    const policy = new AddressPolicy({ guarded, allowed: undefined, lookUp })
    for (const [host, port] of [
      ['public.test', 80],
      ['kong.test', 8000],
      ['store.test', 80],
      ['10.1.1.1', 80],
      ['nowhere.test', 80],
      ['2001:db8::1', 80],
    ] as const)
      assert.equal(await policy.refusal(host, port), undefined, host)
  })

  it('are fewer where networks are opened, but never the Admin API or a store', async () => {
    const own = [{ what: 'the Admin API', host: '127.0.0.1', ports: [8001] }]
    const policy = new AddressPolicy({ guarded: own, allowed: '127.0.0.0/8, ::1', lookUp })
    for (const host of ['127.0.0.1', 'localhost', '::1'])
      assert.equal(await policy.refusal(host, 80), undefined)
    assert.match(String(await policy.refusal('localhost', 8001)), /the Admin API/)
    assert.match(String(await policy.refusal('169.254.1.1', 80)), /link-local/)
    for (const allowed of ['x', '10.0.0.0/33', '10.0.0.0/x'])
      assert.throws(() => new AddressPolicy({ guarded, allowed, lookUp }), /SLUICE_MANAGER_ALLOW_UPSTREAMS/)
  })
})

describe('the hosts that an entity points to', () => {
  const hostsOf = (...args: Parameters<typeof placesOf>) =>
    placesOf(...args).map(({ path, host, port }) => `${path.join('.')} ${host} ${port}`)

  it('are those of services, targets and whatever a plugin names', () => {
    assert.deepEqual(hostsOf('services', { host: 'a', port: 1 }), ['host a 1'])
    assert.deepEqual(hostsOf('targets', { target: 'a:1' }), ['target a 1'])
    assert.deepEqual(hostsOf('targets', { target: '[::1]:1' }), ['target [::1] 1'])
    const config = {
      http_endpoint: 'https://u:p@a/x',
      redis: { host: 'b', port: 7000, sentinel_nodes: [{ host: 'c', port: 2 }] },
      list: ['http://d:3', 'no host'],
      map: { x: 'redis://e' },
      name: 'f',
    }
    assert.deepEqual(hostsOf('plugins', { config }), [
      'config.http_endpoint a 443',
      'config.redis.host b 7000',
      'config.redis.sentinel_nodes.0.host c 2',
      'config.list.0 d 3',
      'config.map.x e 6379',
    ])
    assert.deepEqual(hostsOf('routes', { hosts: ['localhost'] }), [])
  })
})

describe('what an operator may not do though Kong would', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    await fetch(`${kong.url}/services`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"old","host":"127.0.0.1"}',
    })
    manager = await startFilledManager({
      SLUICE_ADMIN_URL: kong.url,
      SLUICE_MANAGER_EDITOR_VAULTS: 'open, other',
    })
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })
  const call = (...args: Parameters<RunningManager['call']>): Promise<Answer> => manager.call(...args)
  const faults = ({ status, body }: Answer) => [
    status,
    ...(body.errors ?? []).map((one: { pointer: string; code: string }) => `${one.pointer} ${one.code}`),
  ]

  it('includes a way to the Admin API, for admins too, by any kind of request', async () => {
    const { port } = new URL(kong.url)
    assert.deepEqual(faults(await call('POST', '/v1/services', { name: 'a', url: kong.url })), [
      422,
      '/host address',
    ])
    const many = await call('POST', '/v1/changes', {
      operations: [
        { action: 'create', kind: 'upstreams', body: { name: 'up' } },
        {
          action: 'create',
          kind: 'targets',
          body: { upstream: { name: 'up' }, target: `127.0.0.1:${port}` },
        },
        {
          action: 'create',
          kind: 'plugins',
          body: { name: 'http-log', config: { http_endpoint: kong.url } },
        },
      ],
    })
    assert.deepEqual(faults(many), [
      422,
      '/operations/1/body/target address',
      '/operations/2/body/config/http_endpoint address',
    ])
    const file = `_format_version: "3.0"\nservices:\n- name: a\n  url: ${kong.url}\n`
    const yaml = await call('POST', '/v1/changes', file, { headers: { 'content-type': 'application/yaml' } })
    assert.deepEqual(faults(yaml), [422, '/host address'])
    await call('POST', '/v1/services', { name: 'fine', host: 'fine.test' })
    assert.deepEqual(faults(await call('PATCH', '/v1/services/fine', { host: 'localhost' })), [
      422,
      '/host address',
    ])
    assert.equal((await call('PATCH', '/v1/services/fine', { port: 99 })).status, 200)
  })

  it('leaves alone what points there already', async () => {
    assert.equal((await call('PATCH', '/v1/services/old', { tags: ['x'], host: '127.0.0.1' })).status, 200)
    assert.deepEqual(faults(await call('PATCH', '/v1/services/old', { port: 8001 })), [422, '/host address'])
  })

  it('includes Lua and vaults for an editor, not for an admin', async () => {
    const token = manager.tokens.editor
    const lua = { name: 'pre-function', config: { access: ['return'] } }
    assert.deepEqual(faults(await call('POST', '/v1/plugins', lua, { token })), [403, '/name for_admins'])
    const logs = {
      name: 'http-log',
      config: { http_endpoint: 'http://log.test', custom_fields_by_lua: { x: 'return 1' } },
    }
    assert.deepEqual(faults(await call('POST', '/v1/plugins', logs, { token })), [
      403,
      '/config/custom_fields_by_lua/x for_admins',
    ])
    const vault = { prefix: 'mine', name: 'env', config: { prefix: 'X_' } }
    assert.deepEqual(faults(await call('POST', '/v1/vaults', vault, { token })), [403, ' for_admins'])
    const made = await call('POST', '/v1/plugins', lua)
    assert.equal(made.status, 201, made.text)
    const id = made.body.id
    assert.deepEqual(faults(await call('PATCH', `/v1/plugins/${id}`, { enabled: false }, { token })), [
      403,
      '/name for_admins',
    ])
    assert.deepEqual(faults(await call('DELETE', `/v1/plugins/${id}`, undefined, { token })), [
      403,
      ' for_admins',
    ])
    assert.equal((await call('DELETE', `/v1/plugins/${id}`)).status, 204)
  })

  it('includes references to vaults, but for those that are named for editors', async () => {
    const token = manager.tokens.editor
    const body = (vault: string) => ({ cert: `{vault://${vault}/cert}`, key: `{vault://${vault}/key}` })
    const closed = await call('POST', '/v1/certificates?dry_run=1', body('env'), { token })
    assert.deepEqual(faults(closed), [403, '/cert for_admins', '/key for_admins'])
    const open = await call('POST', '/v1/certificates?dry_run=1', body('open'), { token })
    assert.equal(open.status, 200, open.text)
  })
})
