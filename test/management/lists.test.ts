import assert from 'node:assert/strict'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type Answer, type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'

describe('lists of entities', function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startFilledManager({ SLUICE_ADMIN_URL: kong.url })
    const services = ['delta', 'alpha', 'charlie', 'bravo'].map((name, i) => ({
      ...{ action: 'create', kind: 'services' },
      body: { name, host: `${name}.test`, enabled: i !== 3, tags: i < 2 ? ['a', 'b'] : ['b', `x${i}`] },
    }))
    const routes = ['alpha', 'alpha', 'bravo'].map((service, i) => ({
      ...{ action: 'create', kind: 'routes' },
      body: { name: `r${i}`, paths: [`/path-${i}`], service: { name: service } },
    }))
    const consumer = { action: 'create', kind: 'consumers', body: { username: 'jason', custom_id: 'J-1' } }
    const key = {
      ...{ action: 'create', kind: 'key-auths' },
      body: { consumer: { username: 'jason' }, key: 'secret-needle' },
    }
    const answer = await manager.call('POST', '/v1/changes', {
      operations: [...services, ...routes, consumer, key],
    })
    assert.equal(answer.body.state, 'applied', answer.text)
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  const list = (path: string): Promise<Answer> => manager.call('GET', path)
  const names = async (path: string) => {
    const { status, body, text } = await list(path)
    assert.equal(status, 200, text)
    return body.data.map((one: { name?: string; username?: string }) => one.name ?? one.username)
  }
  const codes = ({ status, body }: Answer) => [
    status,
    ...(body.errors ?? []).map((one: { pointer: string }) => one.pointer),
  ]

  it('give entities as Kong would, sorted by name, with the time of the reading', async () => {
    const { body, headers } = await list('/v1/services')
    assert.deepEqual(
      body.data.map((one: { name: string }) => one.name),
      ['alpha', 'bravo', 'charlie', 'delta'],
    )
    const [first] = body.data
    assert.deepEqual(first, { ...kong.state.get('services', first.id) })
    assert.equal(body.next, null)
    assert.equal('total' in body, false)
    assert.ok(Date.parse(headers.get('sluice-as-of') ?? '') <= Date.now() + 60_000)
  })

  it('sort both ways, by name and by time', async () => {
    assert.deepEqual(await names('/v1/services?sort=-name'), ['delta', 'charlie', 'bravo', 'alpha'])
    const byTime = await list('/v1/services?sort=created_at')
    const times = byTime.body.data.map((one: { created_at: number }) => one.created_at)
    assert.deepEqual(times, times.toSorted())
  })

  for (const sort of ['name', '-name', 'created_at', '-created_at'])
    it(`give each entity once, page by page, sorted by ${sort}`, async () => {
      const seen: string[] = []
      let path: string | null = `/v1/services?size=1&sort=${sort}&tags=b`
      while (path !== null) {
        const { body, text } = await list(path)
        assert.equal(body.data.length, 1, text)
        seen.push(body.data[0].name)
        path = body.next
      }
      assert.deepEqual(seen, await names(`/v1/services?sort=${sort}&tags=b`))
      assert.equal(seen.length, 4)
    })

  it('count what the filter leaves, not the page', async () => {
    const { body } = await list('/v1/services?count=1&size=1&tags=a')
    assert.deepEqual([body.data.length, body.total], [1, 2])
    assert.equal((await list('/v1/routes?count=1&service=nowhere')).body.total, 0)
  })

  it('filter by part of a name, host, path or tag, as it is written', async () => {
    assert.deepEqual(await names('/v1/services?q=LPH'), ['alpha'])
    assert.deepEqual(await names('/v1/services?q=charlie.te'), ['charlie'])
    assert.deepEqual(await names('/v1/routes?q=path-2'), ['r2'])
    assert.deepEqual(await names('/v1/consumers?q=j-1'), ['jason'])
    for (const wild of ['%25', '_', '%5C', "'"]) assert.deepEqual(await names(`/v1/services?q=${wild}`), [])
  })

  it('filter by tags like Kong, by reference and by whether an entity is enabled', async () => {
    assert.deepEqual(await names('/v1/services?tags=a,b'), ['alpha', 'delta'])
    assert.deepEqual(await names('/v1/services?tags=a/x2'), ['alpha', 'charlie', 'delta'])
    assert.deepEqual(await names('/v1/services?enabled=false'), ['bravo'])
    assert.deepEqual(await names('/v1/routes?service=alpha'), ['r0', 'r1'])
    const { id } = (await list('/v1/services/bravo')).body
    assert.deepEqual(await names(`/v1/routes?service=${id}`), ['r2'])
    assert.deepEqual(await names('/v1/routes?service=nowhere'), [])
  })

  it('neither show a secret nor find one', async () => {
    const all = await list('/v1/key-auths')
    assert.equal(all.status, 200, all.text)
    assert.equal(all.body.data[0].key, '[masked]')
    assert.equal(all.text.includes('needle'), false)
    assert.deepEqual((await list('/v1/key-auths?q=needle')).body.data, [])
    assert.equal((await list('/v1/key-auths/secret-needle')).status, 404)
  })

  it('refuse parameters that they do not take, with the parameter', async () => {
    assert.deepEqual(codes(await list('/v1/services?size=0&sort=host&count=2')), [
      400,
      '?sort',
      '?size',
      '?count',
    ])
    assert.deepEqual(codes(await list('/v1/services?size=true&enabled=1')), [400, '?size', '?enabled'])
    assert.deepEqual(codes(await list('/v1/services?tags=a,b/c')), [400, '?tags'])
    assert.deepEqual(codes(await list('/v1/services?nonsense=1')), [400, '?nonsense'])
    assert.deepEqual(codes(await list('/v1/consumers?service=x')), [400, '?service'])
  })

  it('refuse a cursor that was made up, or belongs to another sort', async () => {
    const { body } = await list('/v1/services?size=1')
    const cursor = new URL(body.next, 'http://x').searchParams.get('cursor')
    assert.deepEqual(codes(await list(`/v1/services?sort=-name&cursor=${cursor}`)), [400, '?cursor'])
    const made = [
      'x',
      Buffer.from('["name",1,"x"]').toString('base64url'),
      Buffer.from('{"a":1}').toString('base64url'),
      Buffer.from(`["created_at","1' or true","${'0'.repeat(36)}"]`).toString('base64url'),
    ]
    for (const text of made)
      assert.deepEqual(codes(await list(`/v1/services?cursor=${text}`)), [400, '?cursor'])
  })
})
