import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { AdminClient } from '../../../kong/admin/client.ts'
import { dumpState } from '../../../kong/reconcile/dump.ts'
import { readState } from '../../../kong/reconcile/read.ts'
import { eventOf } from '../../../kong/reconcile/record.ts'
import { planToJson, renderPlan } from '../../../kong/reconcile/render.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { makeFolder } from '../../support/folder.ts'
import { applyText, planText } from '../../support/reconcile.ts'

const CA_ID = 'cccccccc-0000-4000-8000-000000000000'

describe('certificates, keys, vaults and credentials of a declared state', () => {
  const folder = makeFolder()
  let admin: RunningAdmin
  let client: AdminClient
  let text: string
  let privateKeys: readonly string[]

  before(function () {
    this.timeout(60_000)
    const files = makeCertificates(folder.path)
    const [authority, cert, key] = [files.authority, files.certificate, files.key].map(file =>
      readFileSync(file, 'utf8'),
    )
    const pair = generateKeyPairSync('ec', {
      namedCurve: 'prime256v1',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    privateKeys = [key, pair.privateKey].flatMap(pem => (pem ?? '').split('\n').slice(1, -2))
    text = stringify({
      _format_version: '3.0',
      ca_certificates: [{ id: CA_ID, cert: authority }],
      certificates: [{ cert, key, snis: ['one.example', { name: '*.two.example' }] }],
      vaults: [{ name: 'env', prefix: 'my-env', config: { prefix: 'SECRET_' } }],
      key_sets: [
        {
          name: 'set',
          keys: [{ name: 'k', kid: '1', pem: { private_key: pair.privateKey, public_key: pair.publicKey } }],
        },
      ],
      services: [{ name: 's', url: 'https://h.example', ca_certificates: [CA_ID] }],
      consumers: [
        {
          username: 'c',
          hmacauth_credentials: [{ username: 'h', secret: 'planted-secret-1' }],
          oauth2_credentials: [
            {
              name: 'app',
              client_id: 'planted-id-1',
              client_secret: 'planted-secret-2',
              redirect_uris: ['https://a.b/c'],
            },
          ],
          jwt_secrets: [{ algorithm: 'HS256', secret: 'planted-secret-3' }],
        },
      ],
    })
  })
  after(() => folder.remove())
  beforeEach(async () => {
    admin = await startAdminServer()
    client = new AdminClient({ url: admin.url })
  })
  afterEach(async () => {
    await client.close()
    await admin.close()
    assert.deepEqual(admin.errors, [])
  })

  it('are applied, and nothing is left to do', async () => {
    await applyText(client, text)
    assert.deepEqual((await client.list('/snis'))?.map(sni => sni.name).toSorted(), [
      '*.two.example',
      'one.example',
    ])
    assert.equal((await client.list('/keys'))?.length, 1)
    assert.deepEqual((await planText(client, text)).changes, [])
  })

  it('show no private key and no secret, wherever they are shown', async () => {
    const plan = await planText(client, text)
    const context = { actor: 'tester', adminUrl: admin.url, selectTags: ['sluice'], mask: plan.mask }
    const shown = [
      renderPlan(plan, { isColoured: false }),
      JSON.stringify(planToJson(plan)),
      JSON.stringify(plan.changes.map(change => eventOf(change, context))),
    ].join('\n')
    for (const line of privateKeys) assert.ok(!shown.includes(line), line)
    assert.doesNotMatch(shown, /planted/)
    assert.match(shown, /BEGIN CERTIFICATE/)
  })

  it('are dumped with references in the place of secrets, and the dump declares the same', async () => {
    await applyText(client, text)
    const current = await readState(client, { plugins: [], vaults: [] })
    const { yaml, variables } = dumpState(current, { selectTags: ['sluice'], withSecrets: false })
    for (const line of privateKeys) assert.ok(!yaml.includes(line), line)
    assert.doesNotMatch(yaml, /planted/)
    assert.ok(variables.length >= 5, variables.join())
    const open = dumpState(current, { selectTags: ['sluice'], withSecrets: true })
    assert.deepEqual(open.variables, [])
    assert.deepEqual((await planText(client, open.yaml)).changes, [])
  })

  it('are deleted when they are no longer declared: a CA certificate after the service that trusts it', async () => {
    await applyText(client, text)
    const { changes } = await applyText(client, '_format_version: "3.0"\n')
    const labels = changes.map(({ label }) => label)
    assert.ok(labels.indexOf('service s') < labels.indexOf(`CA certificate ${CA_ID}`), labels.join())
    assert.deepEqual(await client.list('/ca_certificates'), [])
    assert.deepEqual(await client.list('/certificates'), [])
  })

  it('of a consumer without a key of their own are the same at each run', async () => {
    await applyText(client, text)
    const [{ key } = {}] = (await client.list('/jwts')) ?? []
    assert.equal(typeof key, 'string')
    await applyText(client, text)
    assert.deepEqual(
      (await client.list('/jwts'))?.map(row => row.key),
      [key],
    )
  })
})

describe('a route without a name', () => {
  it('is known by its content, and replaced when that changes', async () => {
    const admin = await startAdminServer()
    const client = new AdminClient({ url: admin.url })
    try {
      const state = (path: string) =>
        `_format_version: "3.0"\nservices: [{ name: s, host: h, routes: [{ paths: [${path}] }, { paths: [/b] }] }]\n`
      await applyText(client, state('/a'))
      assert.deepEqual((await planText(client, state('/a'))).changes, [])
      const { changes } = await applyText(client, state('/c'))
      assert.deepEqual(changes.map(({ action }) => action).toSorted(), ['create', 'delete'])
      assert.deepEqual((await client.list('/routes'))?.map(row => row.paths).toSorted(), [['/b'], ['/c']])
    } finally {
      await client.close()
      await admin.close()
    }
  })
})
