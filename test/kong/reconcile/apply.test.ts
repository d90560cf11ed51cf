import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { EventRegistry } from '../../../events/types/registry.ts'
import { AdminClient } from '../../../kong/admin/client.ts'
import { eventOf } from '../../../kong/reconcile/record.ts'
import { planToJson, renderPlan } from '../../../kong/reconcile/render.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { applyText, planText } from '../../support/reconcile.ts'

const STATE = `
_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:\${{ env "PORT" }}/base
  routes:
  - name: r
    paths: [/a]
    plugins: [{ name: key-auth }]
upstreams:
- name: up.internal
  targets: [{ target: 10.0.0.1 }]
consumers:
- username: eddie
  tags: ["tier:bronze"]
  keyauth_credentials: [{ key: '\${{ env "EDDIE_KEY" }}' }]
  basicauth_credentials: [{ username: eddie, password: '\${{ env "EDDIE_PASSWORD" }}' }]
  acls: [{ group: g }]
  jwt_secrets: [{ key: issuer }]
`
const ENV = { PORT: '9', EDDIE_KEY: 'planted-key-1', EDDIE_PASSWORD: 'planted-password-1' }

describe('applying a declared state', () => {
  let admin: RunningAdmin
  let client: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer()
    client = new AdminClient({ url: admin.url })
  })
  afterEach(async () => {
    await client.close()
    await admin.close()
    assert.deepEqual(admin.errors, [])
  })

  const row = async (path: string) => (await client.find(path))!

  it('makes the gateway hold it, and writes nothing the second time', async () => {
    await applyText(client, STATE, ENV)
    const { id, protocol, host, port, path } = await row('/services/s')
    assert.deepEqual(
      { protocol, host, port, path },
      { protocol: 'http', host: '127.0.0.1', port: 9, path: '/base' },
    )
    assert.deepEqual((await row('/routes/r')).service, { id })
    assert.deepEqual((await row('/consumers/eddie')).tags, ['tier:bronze', 'sluice'])
    const [target] = (await client.list('/upstreams/up.internal/targets'))!
    assert.equal(target?.target, '10.0.0.1:8000')

    const { writes } = client.requests
    const again = await applyText(client, STATE, ENV)
    assert.deepEqual(again.changes, [])
    assert.equal(again.unchanged, 10)
    assert.equal(client.requests.writes, writes)
  })

  it('stamps every entity with the select tag', async () => {
    await applyText(client, STATE, ENV)
    const paths = [
      'services',
      'routes',
      'plugins',
      'upstreams',
      'consumers',
      'key-auths',
      'basic-auths',
      'acls',
      'jwts',
    ]
    for (const path of paths)
      for (const entity of (await client.list(`/${path}`))!)
        assert.ok((entity.tags as string[]).includes('sluice'), path)
  })

  it('changes single fields, puts left-out ones back to their defaults, and deletes what is not declared', async () => {
    await applyText(client, STATE, ENV)
    await client.request('PATCH', '/services/s', { retries: 1 })
    const plan = await applyText(
      client,
      STATE.replace('[/a]', '[/b, /c]').replace('acls: [{ group: g }]', ''),
      ENV,
    )
    assert.deepEqual(
      plan.changes.map(change => [change.action, change.label, change.fields]),
      [
        ['update', 'service s', ['retries']],
        ['update', 'route r (service s)', ['paths']],
        ['delete', 'ACL group g (consumer eddie)', []],
      ],
    )
    assert.equal((await row('/services/s')).retries, 5)
    assert.deepEqual((await row('/routes/r')).paths, ['/b', '/c'])
    assert.deepEqual(await client.list('/acls'), [])
  })

  it('keeps out of what bears no select tag', async () => {
    await client.request('POST', '/services', { name: 'theirs', host: 'h' })
    await client.request('POST', '/services/theirs/routes', { name: 'theirs', paths: ['/t'] })
    await applyText(client, STATE, ENV)
    const plan = await applyText(client, '_format_version: "3.0"\n')
    assert.equal(plan.changes.length, 10)
    assert.ok(plan.changes.every(change => change.action === 'delete'))
    assert.deepEqual(
      (await client.list('/services'))!.map(s => s.name),
      ['theirs'],
    )
    assert.deepEqual(
      (await client.list('/routes'))!.map(s => s.name),
      ['theirs'],
    )
  })

  it('refuses a name that somebody else has taken, with its place, before it writes', async () => {
    await client.request('POST', '/services', { name: 's', host: 'h' })
    const { writes } = client.requests
    await assert.rejects(applyText(client, STATE, ENV), {
      code: 'SLUICE_STATE_INVALID',
      message:
        'kong.yaml:4:3: Kong holds this service already, without the tag "sluice": it is not ours to change',
    })
    assert.equal(client.requests.writes, writes)
  })

  it("refuses to delete what others' entities hang on", async () => {
    await applyText(client, STATE, ENV)
    const { id } = await row('/services/s')
    await client.request('POST', '/plugins', { name: 'correlation-id', service: { id } })
    await assert.rejects(applyText(client, '_format_version: "3.0"\n'), {
      code: 'SLUICE_APPLY_REFUSED',
      message: /^service s is to be deleted, but others' entities belong to it: plugin \S+$/,
    })
  })

  it("tells mistakes by Kong's own schemas, with their places, before it writes", async () => {
    const text = `_format_version: "3.0"
services:
- name: s
  host: h
  port: 70000
  nonsense: 1
  routes:
  - name: r
    paths: ["no-slash"]
    plugins:
    - name: key-auth
      config:
        key_names: apikey
    - name: no-such-plugin
plugins:
- name: key-auth
  service: nowhere
`
    await assert.rejects(applyText(client, text), (error: Error) => {
      const lines = error.message.split('\n')
      assert.match(lines[0]!, /^kong\.yaml:5:3: port: value should be between 0 and 65535$/)
      assert.match(lines[1]!, /^kong\.yaml:6:3: nonsense: unknown field$/)
      assert.match(lines[2]!, /^kong\.yaml:9:13: paths\.0: should start with: \/ /)
      assert.match(lines[3]!, /^kong\.yaml:13:9: config\.key_names: expected an array$/)
      assert.match(lines[4]!, /^kong\.yaml:14:7: the plugin "no-such-plugin" is not enabled in this Kong$/)
      assert.match(lines[5]!, /^kong\.yaml:17:3: there is no service "nowhere", neither here nor in Kong$/)
      assert.equal(lines.length, 6)
      return true
    })
    assert.equal(client.requests.writes, 0)
  })

  it('sends a changed password with its consumer, without whom Kong refuses it', async () => {
    await applyText(client, STATE, ENV)
    const plan = await planText(client, STATE, { ...ENV, EDDIE_PASSWORD: 'other' })
    const { id } = await row('/consumers/eddie')
    assert.deepEqual(
      plan.changes.map(({ action, body }) => [action, body]),
      [['update', { password: 'other', consumer: { id } }]],
    )
  })

  it('does what Kong does with left-out values that depend on others', async () => {
    const text = `_format_version: "3.0"
upstreams:
- { name: up, hash_on: header, hash_on_header: x-h, targets: [{ target: "::1" }, { target: "example.test:9" }] }
- { name: hashless, algorithm: consistent-hashing }
services:
- { name: s, url: "https://example.test/x" }
`
    await applyText(client, text)
    assert.equal((await row('/services/s')).port, 443)
    assert.deepEqual((await planText(client, text)).changes, [])
    const current = (await row('/upstreams/up')).algorithm
    assert.equal(current, 'consistent-hashing')
    // As Kong 3.9.3 answers.
    assert.equal((await row('/upstreams/hashless')).algorithm, 'round-robin')
  })

  it('shows no secret in a plan, in JSON, in an event or in an error', async () => {
    const plan = await planText(client, STATE, ENV)
    const registry = new EventRegistry()
    const context = { actor: 'tester', adminUrl: admin.url, selectTags: ['sluice'], mask: plan.mask }
    const events = plan.changes.flatMap(change => [eventOf(change, context), eventOf(change, context, true)])
    for (const event of events) assert.equal(registry.check(event), undefined, event.type)
    const shown = [
      renderPlan(plan, { isColoured: false }),
      JSON.stringify(planToJson(plan)),
      JSON.stringify(events),
      plan.mask.text(`UNIQUE violation detected on '{key="${ENV.EDDIE_KEY}"}'`),
    ].join('\n')
    assert.ok(!/planted/.test(shown), shown)
    assert.match(shown, /key: "\[masked\]"/)
  })

  it('shows no secret that stands where none belongs', async () => {
    const text = `_format_version: "3.0"\nplugins: [{ name: '\${{ env "EDDIE_KEY" }}' }]\n`
    await assert.rejects(planText(client, text, ENV), {
      message: 'kong.yaml:2:13: the plugin "[masked]" is not enabled in this Kong',
    })
  })

  it('takes the sample platform, with schemas of the plugins that it names', async () => {
    const sample = readFileSync(new URL('../../../kong/desired/kong.yaml', import.meta.url), 'utf8')
    const env = { SLUICE_UP_JASON_KEY: 'j', SLUICE_UP_EDDIE_KEY: 'e', SLUICE_UP_BRANDON_PASSWORD: 'b' }
    // Without the plugin server its three plugins are missing, and nothing else is.
    await assert.rejects(planText(client, sample, env), {
      message:
        /^(kong\.yaml:\d+:\d+: the plugin "(qos|key-auth-audit|circuit-breaker)" is not enabled in this Kong\n?){3}$/,
    })
  })
})
