import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Row } from '../../kong/reconcile/change.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder } from '../support/folder.ts'
import { type Answer, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

describe('a change of one entity', function () {
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
  const inKong = (kind: Parameters<typeof kong.state.list>[0], id: string): Row | undefined =>
    kong.state.get(kind, id)
  const pointers = ({ body }: Answer) =>
    body.errors?.map((one: { pointer: string; code: string }) => `${one.pointer} ${one.code}`)

  const makePair = () => {
    const folder = makeFolder()
    const { certificate, key } = makeCertificates(folder.path)
    const pair = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
    folder.remove()
    return pair
  }

  it('creates, reads, changes and deletes a service as Kong would', async () => {
    const created = await call('POST', '/v1/services', { name: 'one', url: 'http://one.test:81/a' })
    assert.equal(created.status, 201, created.text)
    const { id } = created.body
    assert.equal(created.headers.get('location'), `/v1/services/${id}`)
    assert.match(created.headers.get('link') ?? '', /^<\/v1\/changes\/[\w-]+>; rel="monitor"$/)
    assert.deepEqual([created.body.host, created.body.port, created.body.path], ['one.test', 81, '/a'])
    assert.deepEqual({ ...inKong('services', id) }, created.body)

    const read = await call('GET', '/v1/services/one')
    assert.deepEqual(read.body, created.body)
    assert.equal(read.headers.get('etag'), created.headers.get('etag'))

    const changed = await call('PATCH', '/v1/services/one', { port: 82, tags: ['x'] })
    assert.equal(changed.status, 200, changed.text)
    assert.deepEqual([changed.body.port, changed.body.path, changed.body.tags], [82, '/a', ['x']])

    const replaced = await call('PUT', `/v1/services/${id}`, { name: 'one', host: 'two.test' })
    assert.equal(replaced.status, 200, replaced.text)
    assert.deepEqual(
      [replaced.body.host, replaced.body.port, replaced.body.path, replaced.body.tags],
      ['two.test', 80, null, null],
    )
    assert.equal(inKong('services', id)?.host, 'two.test')

    const deleted = await call('DELETE', '/v1/services/one')
    assert.equal(deleted.status, 204)
    assert.equal(inKong('services', id), undefined)
    assert.equal((await call('GET', `/v1/services/${id}`)).status, 404)
  })

  it("merges a part of a plugin's configuration with the rest, as Kong does", async () => {
    const made = await call('POST', '/v1/plugins', { name: 'rate-limiting', config: { minute: 5 } })
    assert.equal(made.status, 201, made.text)
    const changed = await call('PATCH', `/v1/plugins/${made.body.id}`, { config: { policy: 'local' } })
    assert.equal(changed.status, 200, changed.text)
    assert.deepEqual([changed.body.config.minute, changed.body.config.policy], [5, 'local'])
    assert.equal((await call('DELETE', `/v1/plugins/${made.body.id}`)).status, 204)
  })

  it('makes, changes and puts back the server names of a certificate together with it', async () => {
    const pair = makePair()
    const refused = await call('POST', '/v1/certificates', { ...pair, snis: 'one.test' })
    assert.deepEqual([refused.status, pointers(refused)], [422, ['/snis type']], refused.text)
    const names = async (id: string) => {
      const { body: one } = await call('GET', `/v1/certificates/${id}`)
      const { body: list } = await call('GET', '/v1/certificates')
      const { body: own } = await call('GET', `/v1/snis?certificate=${id}`)
      const inState = kong.state.list('snis').map(({ name }) => name)
      for (const others of [list.data[0].snis, own.data.map((sni: Row) => sni.name), inState])
        assert.deepEqual(others.toSorted(), one.snis)
      return one.snis
    }
    const { body: made } = await call('POST', '/v1/certificates', { ...pair, snis: ['b.test', 'a.test'] })
    assert.deepEqual(await names(made.id), ['a.test', 'b.test'])
    // Kong takes one without a list around it where a certificate is changed.
    const changed = await call('PATCH', `/v1/certificates/${made.id}`, { snis: 'c.test' })
    assert.equal(changed.status, 200, changed.text)
    assert.deepEqual(await names(made.id), ['c.test'])
    const undone = await call('POST', `/v1/changes/${changed.headers.get('sluice-change')}/undo`)
    assert.equal(undone.body.state, 'applied', undone.text)
    assert.deepEqual(await names(made.id), ['a.test', 'b.test'])
    const unchanged = await call('PATCH', `/v1/certificates/${made.id}`, { tags: ['x'] })
    assert.equal(unchanged.status, 200, unchanged.text)
    assert.deepEqual(await names(made.id), ['a.test', 'b.test'])
    // As a real Kong 3.9.3 does with a whole certificate that names none.
    const whole = await call('PUT', `/v1/certificates/${made.id}`, pair)
    assert.equal(whole.status, 200, whole.text)
    assert.deepEqual(await names(made.id), [])
    const back = await call('POST', `/v1/changes/${whole.headers.get('sluice-change')}/undo`)
    assert.equal(back.body.state, 'applied', back.text)
    assert.deepEqual(await names(made.id), ['a.test', 'b.test'])
    const other = await call('POST', '/v1/certificates', { ...pair, snis: ['a.test'] })
    assert.deepEqual([other.status, pointers(other)], [409, ['/snis taken']], other.text)
    assert.equal((await call('DELETE', `/v1/certificates/${made.id}`)).status, 204)
  })

  it('takes no certificate for the public key in it, as Kong does not', async () => {
    const { body: consumer } = await call('POST', '/v1/consumers', { username: 'jwt' })
    const credential = { key: 'k', algorithm: 'RS256', consumer: { id: consumer.id } }
    const jwt = await call('POST', '/v1/jwts', { ...credential, rsa_public_key: makePair().cert })
    assert.ok(pointers(jwt)?.includes('/rsa_public_key invalid'), jwt.text)
  })

  it('tells all faults at once, each with its place', async () => {
    const answer = await call('POST', '/v1/services', {
      name: 'a b',
      port: 'eighty',
      hostt: 'x',
      retries: -1,
      protocol: 'http',
    })
    assert.equal(answer.status, 422)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.deepEqual(pointers(answer)?.sort(), [
      '/host required',
      '/hostt unknown_field',
      '/name invalid',
      '/port type',
      '/retries invalid',
    ])
    assert.match(answer.text, /did you mean host\?/)
  })

  it('tells references that lead nowhere, and values that are taken', async () => {
    await call('POST', '/v1/services', { name: 'taken', host: 'h' })
    const twice = await call('POST', '/v1/services', { name: 'taken', host: 'h' })
    assert.deepEqual([twice.status, pointers(twice)], [409, ['/name taken']])
    const lost = await call('POST', '/v1/routes', { paths: ['/x'], service: { name: 'nowhere' } })
    assert.deepEqual([lost.status, pointers(lost)], [409, ['/service reference']])
    const route = await call('POST', '/v1/routes', { name: 'r', paths: ['/x'], service: { name: 'taken' } })
    assert.equal(route.status, 201, route.text)
    const still = await call('DELETE', '/v1/services/taken')
    assert.deepEqual([still.status, pointers(still)], [409, [' referenced']])
  })

  it('deletes along what Kong deletes along, and says so before', async () => {
    await call('POST', '/v1/consumers', { username: 'jason' })
    const key = await call('POST', '/v1/key-auths', { consumer: { username: 'jason' } })
    assert.equal(key.status, 201, key.text)
    assert.match(key.body.key, /^\w{32}$/)
    assert.equal((await call('GET', `/v1/key-auths/${key.body.id}`)).body.key, '[masked]')
    const plan = await call('DELETE', '/v1/consumers/jason?dry_run=1')
    assert.deepEqual(
      plan.body.steps.map((step: { label: string }) => step.label),
      ['key-auth credential (consumer jason)', 'consumer jason'],
    )
    assert.equal(plan.text.includes(key.body.key), false)
    assert.equal((await call('DELETE', '/v1/consumers/jason')).status, 204)
    assert.equal(inKong('keyauth_credentials', key.body.id), undefined)
    assert.equal((await call('GET', `/v1/key-auths/${key.body.id}`)).status, 404)
  })

  it('takes the mask for what is there, but not in a new entity', async () => {
    await call('POST', '/v1/consumers', { username: 'masked' })
    const made = await call('POST', '/v1/key-auths', { consumer: { username: 'masked' }, key: 'my-own-key' })
    assert.equal(made.status, 201, made.text)
    const patched = await call('PATCH', `/v1/key-auths/${made.body.id}`, { key: '[masked]', tags: ['t'] })
    assert.equal(patched.status, 200, patched.text)
    assert.deepEqual([patched.body.key, patched.body.tags], ['[masked]', ['t']])
    assert.equal(inKong('keyauth_credentials', made.body.id)?.key, 'my-own-key')
    const fresh = await call('POST', '/v1/key-auths', { consumer: { username: 'masked' }, key: '[masked]' })
    assert.deepEqual([fresh.status, pointers(fresh)], [422, ['/key masked']])
  })

  it('refuses an entity that has changed since it was read', async () => {
    const { body, headers } = await call('POST', '/v1/services', { name: 'etag', host: 'h' })
    const etag = headers.get('etag') ?? ''
    const first = await call(
      'PATCH',
      `/v1/services/${body.id}`,
      { port: 1 },
      { headers: { 'if-match': etag } },
    )
    assert.equal(first.status, 200, first.text)
    const second = await call(
      'PATCH',
      `/v1/services/${body.id}`,
      { port: 2 },
      { headers: { 'if-match': etag } },
    )
    assert.equal(second.status, 412, second.text)
    assert.equal(inKong('services', body.id)?.port, 1)
  })

  it('answers a repeated request as it was, and another one with the same key not at all', async () => {
    const headers = { 'idempotency-key': 'key-1' }
    const first = await call('POST', '/v1/services', { name: 'once', host: 'h' }, { headers })
    assert.equal(first.status, 201, first.text)
    const again = await call('POST', '/v1/services', { name: 'once', host: 'h' }, { headers })
    assert.deepEqual([again.status, again.body.id], [201, first.body.id])
    const other = await call('POST', '/v1/services', { name: 'twice', host: 'h' }, { headers })
    assert.equal(other.status, 422, other.text)
    const token = manager.tokens.editor
    const stranger = await call('POST', '/v1/services', { name: 'twice', host: 'h' }, { headers, token })
    assert.equal(stranger.status, 201, 'the key belongs to its operator')
  })

  it('does not wait where it is asked not to', async () => {
    const answer = await call(
      'POST',
      '/v1/services',
      { name: 'async', host: 'h' },
      { headers: { prefer: 'respond-async' } },
    )
    assert.equal(answer.status, 202)
    assert.equal(answer.headers.get('preference-applied'), 'respond-async')
    const place = answer.headers.get('location') ?? ''
    await until('the change is applied', async () => (await call('GET', place)).body.state === 'applied')
    const { body } = await call('GET', place)
    assert.deepEqual(
      body.steps.map((step: { label: string; state: string }) => [step.label, step.state]),
      [['service async', 'done']],
    )
  })

  it('names what could not be undone, and makes it only when that is accepted', async () => {
    await call('POST', '/v1/consumers', { username: 'basic' })
    const made = await call('POST', '/v1/basic-auths', {
      consumer: { username: 'basic' },
      username: 'b',
      password: 'geheim',
    })
    assert.equal(made.status, 201, made.text)
    const refused = await call('DELETE', `/v1/basic-auths/${made.body.id}`)
    assert.deepEqual([refused.status, pointers(refused)], [422, [' irreversible']])
    assert.equal((await call('DELETE', `/v1/basic-auths/${made.body.id}?irreversible=accept`)).status, 204)
  })

  it('lets a viewer read and not write', async () => {
    const token = manager.tokens.viewer
    assert.equal((await call('GET', '/v1/services/etag', undefined, { token })).status, 200)
    assert.equal((await call('DELETE', '/v1/services/etag', undefined, { token })).status, 403)
  })

  it("shows Kong's own refusal at the field", async () => {
    const answer = await call('POST', '/v1/plugins', {
      name: 'pre-function',
      config: { access: ['return ('] },
    })
    assert.equal(answer.status, 422, answer.text)
    assert.deepEqual(pointers(answer), ['/config/access/0 invalid'])
  })
})
