import assert from 'node:assert/strict'
import { AdminClient } from '../../../kong/admin/client.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { applyText } from '../../support/reconcile.ts'

const head = '_format_version: "3.0"\n'
const [A, B] = ['aaaaaaaa-0000-4000-8000-000000000000', 'bbbbbbbb-0000-4000-8000-000000000000']

describe('the order of changes', () => {
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

  /** Applies both, and checks that nothing is left to do. */
  const change = async (before: string, after: string) => {
    await applyText(client, head + before)
    const plan = await applyText(client, head + after)
    assert.deepEqual((await applyText(client, head + after)).changes, [])
    return plan.changes.map(({ action, label }) => `${action} ${label}`)
  }

  it('renames by deleting first what holds the same unique value', async () => {
    assert.deepEqual(
      await change(
        `services: [{ name: s, host: h, plugins: [{ name: key-auth, instance_name: one }] }]`,
        `services: [{ name: t, host: h, plugins: [{ name: key-auth, instance_name: one }] }]`,
      ),
      [
        'delete plugin key-auth (service s)',
        'create service t',
        'create plugin key-auth (service t)',
        'delete service s',
      ],
    )
  })

  it('keeps a consumer, and what belongs to it, when only the username changes', async () => {
    assert.deepEqual(
      await change(
        `consumers: [{ username: a, custom_id: 7, keyauth_credentials: [{ key: k }] }]`.replace('7', '"7"'),
        `consumers: [{ username: b, custom_id: "7", keyauth_credentials: [{ key: k }] }]`,
      ),
      ['update consumer b'],
    )
  })

  it('moves a key from one consumer to another', async () => {
    assert.deepEqual(
      await change(
        `consumers: [{ username: a, keyauth_credentials: [{ key: kk }] }, { username: b }]`,
        `consumers: [{ username: a }, { username: b, keyauth_credentials: [{ key: kk }] }]`,
      ),
      ['delete key-auth credential (consumer a)', 'create key-auth credential (consumer b)'],
    )
  })

  it('moves a route to another service before the first one goes', async () => {
    assert.deepEqual(
      await change(
        `services: [{ name: s, host: h, routes: [{ name: r, paths: [/a] }] }]`,
        `services: [{ name: t, host: h, routes: [{ name: r, paths: [/a] }] }]`,
      ),
      ['create service t', 'update route r (service t)', 'delete service s'],
    )
  })

  it('swaps two names', async () => {
    const services = (a: string, b: string) =>
      `services:
- { id: ${A}, name: ${a}, host: h, routes: [{ name: r, paths: [/a], plugins: [{ name: key-auth }] }] }
- { id: ${B}, name: ${b}, host: h }
`
    await change(services('x', 'y'), services('y', 'x'))
    assert.equal((await client.find(`/services/${A}`))?.name, 'y')
    assert.equal((await client.find(`/services/${B}`))?.name, 'x')
    assert.deepEqual((await client.find('/routes/r'))?.service, { id: A })
    assert.equal((await client.list('/plugins'))?.length, 1)
  })

  it('gives an entity another id, with what belongs to it', async () => {
    await change(
      `services: [{ name: s, host: h, routes: [{ name: r, paths: [/a], plugins: [{ name: key-auth }] }] }]`,
      `services: [{ id: ${A}, name: s, host: h, routes: [{ name: r, paths: [/a], plugins: [{ name: key-auth }] }] }]`,
    )
    assert.equal((await client.find('/services/s'))?.id, A)
    assert.deepEqual((await client.find('/routes/r'))?.service, { id: A })
    assert.equal((await client.list('/plugins'))?.length, 1)
  })

  it('gives a consumer another id, with its credentials', async () => {
    const consumer = (id: string) =>
      `consumers: [{ ${id}username: c, custom_id: x, basicauth_credentials: [{ username: c, password: p }], acls: [{ group: g }] }]`
    await change(consumer(''), consumer(`id: ${A}, `))
    assert.deepEqual(
      (await client.list('/basic-auths'))?.map(row => row.consumer),
      [{ id: A }],
    )
  })
})
