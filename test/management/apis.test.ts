import assert from 'node:assert/strict'
import { parse } from 'yaml'
import { AdminClient } from '../../kong/admin/client.ts'
import { dumpState } from '../../kong/reconcile/dump.ts'
import { readState } from '../../kong/reconcile/read.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type Answer, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'

describe('an API in one request', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startFilledManager({ SLUICE_ADMIN_URL: kong.url })
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
  const api = {
    name: 'products',
    url: 'http://products.test:8080/base',
    paths: ['/products'],
    hosts: ['shop.test'],
    tags: ['shop'],
    auth: 'key-auth',
    limits: [{ requests: 10, per_seconds: 60 }],
    cache: { seconds: 30 },
  }

  it('is made whole: service, route and plugins', async () => {
    const plan = await call('POST', '/v1/apis?dry_run=1', api)
    assert.deepEqual([plan.status, plan.body.steps.length], [200, 5], plan.text)
    assert.equal(kong.state.list('services').length, 0)
    const made = await call('POST', '/v1/apis', { ...api, reason: 'the shop opens' })
    assert.equal(made.status, 201, made.text)
    assert.deepEqual([made.body.state, made.body.reason], ['applied', 'the shop opens'])
    const service = (await call('GET', made.headers.get('location') ?? '')).body
    assert.deepEqual(
      [service.name, service.host, service.port, service.path],
      ['products', 'products.test', 8080, '/base'],
    )
    const route = (await call('GET', '/v1/routes/products')).body
    assert.deepEqual([route.paths, route.hosts, route.service.id], [['/products'], ['shop.test'], service.id])
    const plugins = (await call('GET', `/v1/plugins?service=products`)).body.data
    assert.deepEqual(
      plugins.map((one: { name: string; tags: string[] }) => [one.name, one.tags]),
      [
        ['key-auth', ['shop']],
        ['proxy-cache', ['shop']],
        ['rate-limiting', ['shop']],
      ],
    )
    assert.equal(plugins[2].config.minute, 10)
  })

  it('is made once, though the request comes twice', async () => {
    const headers = { 'idempotency-key': 'api-1' }
    const body = { ...api, name: 'once' }
    const first = await call('POST', '/v1/apis', body, { headers })
    const second = await call('POST', '/v1/apis', body, { headers })
    assert.deepEqual([first.status, second.status], [201, 201], second.text)
    assert.equal(second.headers.get('location'), first.headers.get('location'))
  })

  it('tells all faults, each at the field that it came of', async () => {
    const wrong = {
      name: 'a b',
      url: 'gopher://products.test',
      paths: ['no slash'],
      auth: { plugin: 'no-auth' },
      limits: [{ requests: 10, per_seconds: 7 }],
      token: true,
    }
    assert.deepEqual(
      new Set(faults(await call('POST', '/v1/apis', wrong))),
      new Set([
        422,
        '/name invalid',
        '/url type',
        '/limits invalid',
        '/paths/0 invalid',
        '/auth/name unknown_plugin',
        '/limits/config/per_7_seconds unknown_field',
        '/token/name unknown_plugin',
      ]),
    )
    assert.deepEqual(
      faults(await call('POST', '/v1/apis', { name: 'x', url: 'http://127.0.0.1', paths: ['/x'] })),
      [422, '/url address'],
    )
    assert.deepEqual(faults(await call('POST', '/v1/apis', { name: 'x', url: 'http://x.test' })), [
      422,
      '/paths required',
    ])
    assert.deepEqual(faults(await call('POST', '/v1/apis', { name: 'x', paths: [], cach: 1 })), [
      400,
      '/url required',
      '/cach unknown_field',
      '/paths invalid',
    ])
    assert.deepEqual(faults(await call('POST', '/v1/apis', api)), [409, '/name taken'])
  })

  it('is in the export, as `sluice dump-state` writes it', async () => {
    await call('POST', '/v1/consumers', { username: 'jason' })
    await call('POST', '/v1/key-auths', { consumer: { username: 'jason' }, key: 'secret-needle' })
    const { text, status, headers } = await call('GET', '/v1/export')
    assert.equal(status, 200, text)
    assert.equal(headers.get('content-type'), 'application/yaml; charset=utf-8')
    assert.equal(text.includes('needle'), false)
    const client = new AdminClient({ url: kong.url })
    const current = await readState(client, { plugins: [], vaults: [] })
    const { yaml } = dumpState(current, { selectTags: [], withSecrets: false })
    await client.close()
    assert.deepEqual(parse(text), parse(yaml))
    assert.match(text, /^# Secrets are left out: set /)
    const none = await call('GET', '/v1/export?select_tag=none')
    assert.deepEqual(parse(none.text).services, undefined)
  })

  it('has forms out of the schemas of this Kong', async () => {
    const { kinds, plugins } = (await call('GET', '/v1/schemas')).body
    assert.ok(plugins.includes('key-auth'))
    for (const kind of kinds) assert.equal((await call('GET', `/v1/schemas/${kind}`)).status, 200, kind)
    const ofPlugins = await (await fetch(`${kong.url}/schemas/plugins`)).json()
    assert.deepEqual((await call('GET', '/v1/schemas/plugins')).body, ofPlugins)
    const plugin = await call('GET', '/v1/schemas/plugins/key-auth')
    assert.deepEqual(plugin.body, await (await fetch(`${kong.url}/schemas/plugins/key-auth`)).json())
    const kind = await call('GET', '/v1/schemas/key-auths')
    assert.deepEqual(kind.body, await (await fetch(`${kong.url}/schemas/keyauth_credentials`)).json())
    assert.deepEqual((await call('GET', '/v1/schemas/keyauth_credentials')).body, kind.body)
    for (const path of ['plugins/none', 'nothing', 'plugins/__proto__'])
      assert.equal((await call('GET', `/v1/schemas/${path}`)).status, 404, path)
  })

  it('shows secrets to an admin who says why, and to nobody else', async () => {
    const [key] = (await call('GET', '/v1/key-auths')).body.data
    const path = `/v1/key-auths/${key.id}?secrets=reveal`
    const headers = { 'sluice-reason': 'a customer has lost it' }
    const shown = await call('GET', path, undefined, { headers })
    assert.deepEqual([shown.status, shown.body.key], [200, 'secret-needle'])
    assert.equal(shown.headers.get('cache-control'), 'no-store')
    assert.equal((await call('GET', path)).status, 422)
    const editor = await call('GET', path, undefined, { headers, token: manager.tokens.editor })
    assert.equal(editor.status, 403)
  })

  it('lists what it offers, with what protects it', async () => {
    const made = await call('POST', '/v1/apis', { ...api, name: 'listed', paths: ['/listed'] })
    assert.equal(made.status, 201, made.text)
    const { body } = await call('GET', '/v1/catalogue', undefined, { token: manager.tokens.viewer })
    const listed = body.data.find(({ name }: { name: string }) => name === 'listed')
    const [{ paths, hosts, auth, limits }] = listed.routes
    assert.deepEqual([paths, hosts, auth], [['/listed'], ['shop.test'], ['key-auth']])
    assert.deepEqual([limits[0].requests, limits[0].seconds], [10, 60])
  })
})
