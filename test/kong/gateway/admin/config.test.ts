import assert from 'node:assert/strict'
import { parse } from 'yaml'
import { type RunningAdmin, startAdminServer } from '../../../support/admin-server.ts'

const FILE = `
_format_version: "3.0"
services:
- name: s1
  url: http://127.0.0.1:9999/x
  tags: [a]
  routes:
  - name: r1
    paths: [/r1]
    plugins:
    - name: key-auth
consumers:
- username: jason
  custom_id: j1
  keyauth_credentials:
  - key: k1
  basicauth_credentials:
  - username: bu
    password: bp
  acls:
  - group: g1
plugins:
- name: correlation-id
upstreams:
- name: up.internal
  targets:
  - target: 127.0.0.1:1
`

const JASON = '709c4f4f-7031-5995-8d1a-594d7b5ec5d2'
const ALL_OR_NONE = "all or none of these fields must be set: 'password', 'consumer.id'"

interface Reply {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any shape
  readonly body: any
}

describe('a gateway without a database', () => {
  let admin: RunningAdmin
  beforeEach(async () => {
    admin = await startAdminServer({ declarative: true })
  })
  afterEach(() => admin.close())

  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const response = await fetch(admin.url + path, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const load = (config: string) => call('POST', '/config', { config })

  it('loads nested entities under the ids that Kong derives', async () => {
    const { status, body } = await load(FILE)
    assert.equal(status, 201, JSON.stringify(body))
    // As a Kong 3.9.3 answered for the same file.
    const ids = Object.fromEntries(
      Object.entries(body as object).map(([k, v]) => [k, Object.keys(v as object)]),
    )
    assert.deepEqual(ids.services, ['356ebaf8-b7af-5cba-99a1-f392e34730ab'])
    assert.deepEqual(ids.routes, ['4726a05a-d550-537e-9fc3-a07c7a1188c7'])
    assert.deepEqual(ids.consumers, ['709c4f4f-7031-5995-8d1a-594d7b5ec5d2'])
    assert.deepEqual(ids.plugins?.toSorted(), [
      '59a0ebf4-cb7a-55f0-af1f-27c4cd2087c8',
      'bc9b9ec8-e779-5314-8006-15d16c0092d5',
    ])
    assert.deepEqual(ids.upstreams, ['1a41c992-d67f-5a3a-bfb9-9e02017a537d'])
    assert.deepEqual(ids.targets, ['f14e693b-5887-54e6-8a7e-dc115c4d61dd'])
    assert.deepEqual(ids.acls, ['25e277bb-fb9c-5890-901f-fc120383495c'])
    assert.deepEqual(ids.basicauth_credentials, ['4e1586cb-151b-530e-9d46-10b31324079c'])
    const credential = Object.values(body.basicauth_credentials)[0] as { password: string }
    assert.equal(credential.password, 'bp')
    const stored = await call('GET', '/basic-auths')
    assert.deepEqual(
      (stored.body.data as { password: string }[]).map(({ password }) => password),
      ['7f9b6b63092b3cee3ce8b320bf94f2df435879fc'],
    )
  })

  it('gives its state back as a file that loads to the same state', async () => {
    await load(FILE)
    const first = (await call('GET', '/config')).body.config as string
    assert.equal((await load(first)).status, 201)
    const second = (await call('GET', '/config')).body.config as string
    assert.deepEqual(withoutTimes(parse(second)), withoutTimes(parse(first)))
  })

  it('tells all that is wrong with a file, in the form of the file, and keeps its state', async () => {
    await load(FILE)
    const { status, body } = await call('POST', '/config', {
      _format_version: '3.0',
      services: [{ name: 'a', url: 'http://x:1', foo: 1 }],
      consumers: [{ username: 'u', keyauth_credentials: [{ key: 'zz' }], bogus: [1] }],
      what: 1,
      routes: [{ name: 'r', service: 'nope' }],
    })
    assert.equal(status, 400)
    assert.deepEqual(body, {
      code: 14,
      name: 'invalid declarative configuration',
      fields: {
        routes: [
          {
            service: { id: 'missing primary key' },
            '@entity': [
              "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'",
            ],
          },
        ],
        services: [{ foo: 'unknown field' }],
        what: 'unknown field',
        consumers: [{ bogus: 'unknown field' }],
      },
      message:
        "declarative config is invalid: {consumers={{bogus=\"unknown field\"}},routes={{[\"@entity\"]={\"must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'\"},service={id=\"missing primary key\"}}},services={{foo=\"unknown field\"}},what=\"unknown field\"}",
    })
    assert.equal((await call('GET', '/services/s1')).status, 200)
  })

  const FAULTS: readonly (readonly [what: string, tree: object, fields: object])[] = [
    ['a version that is no text', { _format_version: 3 }, { _format_version: 'expected a string' }],
    [
      'a key that two consumers share',
      { consumers: [{ username: 'u', keyauth_credentials: [{ key: 'k' }, { key: 'k' }] }] },
      {
        keyauth_credentials: [
          null,
          "uniqueness violation: 'keyauth_credentials' entity with key set to 'k' already declared",
        ],
      },
    ],
    [
      'a custom id that two consumers share',
      {
        consumers: [
          { username: 'u', custom_id: 'c' },
          { username: 'v', custom_id: 'c' },
        ],
      },
      {
        consumers: {
          v: "uniqueness violation: 'consumers' entity with custom_id set to 'c' already declared",
        },
      },
    ],
    [
      'a reference that leads nowhere',
      { routes: [{ name: 'r', paths: ['/x'], service: 'nope' }] },
      { routes: { r: ["invalid reference 'service: nope' (no such entry in 'services')"] } },
    ],
    [
      'a wrong entity beneath another',
      { services: [{ name: 's', host: 'h', routes: [{ paths: ['/ok'] }, { paths: ['x'] }] }] },
      { services: [{ routes: [null, { paths: ['should start with: / (fixed path) or ~/ (regex path)'] }] }] },
    ],
  ]
  for (const [what, tree, fields] of FAULTS)
    it(`refuses ${what} in Kong's words`, async () => {
      const { status, body } = await call('POST', '/config', { _format_version: '3.0', ...tree })
      assert.equal(status, 400)
      assert.deepEqual(body.fields, fields)
    })

  it('refuses writes, but only those that would be right with a database', async () => {
    await load(FILE)
    const refused = async (method: string, path: string, body: unknown, text: string) => {
      const reply = await call(method, path, body)
      assert.equal(reply.status, 405)
      assert.deepEqual(reply.body, {
        code: 12,
        name: 'operation unsupported',
        message: `cannot ${text} when not using a database`,
      })
    }
    assert.equal((await call('POST', '/services', { name: 'x' })).body.code, 2)
    await refused('POST', '/services', { name: 'x', host: 'h' }, "create 'services' entities")
    await refused('PATCH', '/services/s1', { retries: 1 }, "update 'services' entities by 'name'")
    await refused('PUT', '/services/n', { host: 'h' }, "create or update 'services' entities by 'name'")
    await refused('DELETE', '/services/s1', undefined, "remove 'services' entities by 'name'")
    assert.equal((await call('DELETE', '/services/none')).status, 204)
  })

  it('reads YAML as Kong does: a bare `off` is no text', async () => {
    const file = (name: string) => `_format_version: "3.0"\nconsumers:\n- username: ${name}\n`
    const { status, body } = await load(file('off'))
    assert.equal(status, 400)
    assert.deepEqual(body.fields, { consumers: [{ username: 'expected a string' }] })
    assert.equal((await load(file('"off"'))).status, 201)
    const text = (await call('GET', '/config')).body.config as string
    assert.equal((await load(text)).status, 201)
  })

  /** As a Kong 3.9.3 answered for the same credential; 12: right, but for the missing database. */
  const PASSWORDS: readonly (readonly [change: object, code: number, fields?: object])[] = [
    [{ username: 'z' }, 12],
    [{ password: 'x' }, 2, { '@entity': [ALL_OR_NONE] }],
    [{ password: 'x', consumer: { id: JASON } }, 12],
    [{ password: 'x', consumer: { username: 'jason' } }, 2, { '@entity': [ALL_OR_NONE] }],
    [{ consumer: { id: JASON } }, 12],
    [{ consumer: { username: 'jason' } }, 12],
    [{ consumer: { id: '33333333-3333-4333-8333-333333333333' } }, 2, { '@entity': [ALL_OR_NONE] }],
    [{ password: null }, 2, { password: 'required field missing' }],
    [{ password: 5 }, 2, { '@entity': [ALL_OR_NONE], password: 'expected a string' }],
    [{ password: 'x', consumer: null }, 2, { '@entity': [ALL_OR_NONE], consumer: 'required field missing' }],
  ]
  for (const [change, code, fields] of PASSWORDS)
    it(`takes a password of basic-auth with its consumer only: ${JSON.stringify(change)}`, async () => {
      await load(FILE)
      const { body } = await call('PATCH', '/basic-auths/4e1586cb-151b-530e-9d46-10b31324079c', change)
      assert.equal(body.code, code, JSON.stringify(body))
      assert.deepEqual(body.fields, fields)
    })

  it('takes a password of basic-auth under its consumer, and misses one that is new without', async () => {
    await load(FILE)
    const nested = await call('PATCH', '/consumers/jason/basic-auth/bu', { password: 'x' })
    assert.equal(nested.body.code, 12)
    const made = await call('POST', '/basic-auths', { username: 'b', password: 'x' })
    assert.equal(made.body.message, `2 schema violations (${ALL_OR_NONE}; consumer: required field missing)`)
  })

  it('does not load again what is in force when it is asked to compare', async () => {
    await load(FILE)
    assert.equal((await call('POST', '/config?check_hash=1', { config: FILE })).status, 304)
    assert.equal((await call('POST', '/config?check_hash=1', { config: `${FILE}\n` })).status, 201)
  })
})

describe('a gateway with a writable state', () => {
  it('has no /config', async () => {
    const admin = await startAdminServer()
    try {
      const response = await fetch(`${admin.url}/config`)
      assert.equal(response.status, 400)
      assert.match(await response.text(), /only available when Kong is configured to not use a database/)
    } finally {
      await admin.close()
    }
  })
})

function withoutTimes(tree: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(tree, (key, value: unknown) => (/^(created|updated)_at$/.test(key) ? undefined : value)),
  )
}
