import assert from 'node:assert/strict'
import { AdminClient } from '../../../kong/admin/client.ts'
import type { ApplyOptions } from '../../../kong/reconcile/apply.ts'
import { applyWhole } from '../../../kong/reconcile/db-less.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../support/faulty-admin.ts'
import { planText, quickRetry } from '../../support/reconcile.ts'

const STATE = `
_format_version: "3.0"
services:
- name: s
  host: h
  routes: [{ name: r, paths: [/a] }]
consumers:
- username: brandon
  basicauth_credentials: [{ username: brandon, password: p1 }]
  jwt_secrets: [{ key: issuer }]
upstreams:
- { name: up, targets: [{ target: 10.0.0.1 }] }
`

describe('a Kong without a database', () => {
  let admin: RunningAdmin
  let faults: FaultyAdmin
  let client: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer({ declarative: true })
    faults = await startFaultyAdmin(admin.url)
    client = new AdminClient({ url: faults.url })
  })
  afterEach(async () => {
    await client.close()
    await faults.close()
    await admin.close()
    assert.deepEqual(admin.errors, [])
  })

  const apply = async (text: string) => {
    const applied: string[] = []
    const plan = await planText(client, text)
    const watcher = {
      applied: (change: { label: string }) => applied.push(change.label),
      undone() {},
      retrying() {},
    }
    const options = {
      concurrency: 1,
      retryForMs: 0,
      selectTags: plan.selectTags,
      watcher,
    } satisfies ApplyOptions
    if (plan.changes.length > 0) await applyWhole(client, plan, options, quickRetry)
    return applied
  }
  const load = (config: string) => client.request('POST', '/config', { config })
  const config = async () => ((await client.request('GET', '/config')) as { config: string }).config

  it('gets the whole state at once, and nothing the second time', async () => {
    assert.equal((await apply(STATE)).length, 7)
    assert.equal(client.requests.writes, 1)
    assert.deepEqual(await apply(STATE), [])
    assert.equal(client.requests.writes, 1)
  })

  it('keeps ids and generated secrets over a change', async () => {
    await apply(STATE)
    const ids = async () => (await client.list('/jwts'))!.map(({ id, secret }) => [id, secret])
    const before = await ids()
    assert.deepEqual(await apply(STATE.replace('/a', '/b')), ['route r (service s)'])
    assert.deepEqual(await ids(), before)
  })

  it('is not given a key with a ttl, which it would drop at once', async () => {
    const text =
      '_format_version: "3.0"\nconsumers: [{ username: c, keyauth_credentials: [{ key: k, ttl: 60 }] }]\n'
    await assert.rejects(apply(text), {
      code: 'SLUICE_STATE_INVALID',
      message: 'kong.yaml:2:60: ttl: a Kong without a database drops a key with a ttl at once',
    })
    assert.equal(client.requests.writes, 0)
  })

  it('is left alone when it holds what bears no select tag', async () => {
    await load('_format_version: "3.0"\nservices: [{ name: theirs, host: h }]\n')
    const before = await config()
    await assert.rejects(apply(STATE), {
      code: 'SLUICE_APPLY_REFUSED',
      message:
        'this Kong has no database, so that an apply replaces all it holds; without the tag sluice it holds\n  service theirs',
    })
    assert.equal(await config(), before)
  })

  it('has its earlier state again when no answer came to the new one', async () => {
    await apply(STATE)
    const before = await config()
    let posts = 0
    faults.decide = method => (method === 'POST' && ++posts === 1 ? 'lose-answer' : 'pass')
    await assert.rejects(apply(STATE.replace('/a', '/b')), {
      code: 'SLUICE_APPLY_FAILED',
      message: /the earlier state was put back$/,
    })
    assert.deepEqual(strip(await config()), strip(before))
  })

  it('is told to hold the earlier state when Kong refuses the new one', async () => {
    await apply(STATE)
    faults.decide = method => (method === 'POST' ? { status: 400, body: { message: 'no' } } : 'pass')
    await assert.rejects(apply(STATE.replace('/a', '/b')), { message: /400 no\nnothing was changed$/ })
  })
})

const strip = (text: string) =>
  text
    .replace(/^\s*- |(created|updated)_at: \S+/gm, '')
    .split('\n')
    .toSorted()
