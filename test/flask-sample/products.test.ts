import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type CallOptions, call, type SamplePlatform, samplePlatform } from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'

describe('the sample products service', () => {
  let platform: SamplePlatform
  const ada = randomUUID()
  before(async function () {
    this.timeout(START_MS)
    platform = await samplePlatform()
  })

  const products = (path = '/products', options: CallOptions = {}) =>
    call(platform, 'products', path, options)
  const create = (fields: object = {}) =>
    products('/products', { as: ada, body: { name: 'Tea', price_cents: 350, ...fields } })
  const change = (id: string, body: object, options: CallOptions = {}) =>
    products(`/products/${id}`, { as: ada, method: 'PATCH', body, ...options })

  it('keeps what was created, with whole cents', async () => {
    const made = await create({ stock: 5, description: 'Two\nlines' })
    assert.equal(made.status, 201)
    assert.equal(made.headers.get('location'), `/products/${made.body.id}`)
    const { body } = await products(`/products/${made.body.id}`)
    assert.deepEqual(body, made.body)
    const { id: _, created_at: _c, updated_at: _u, ...rest } = body
    assert.deepEqual(rest, {
      name: 'Tea',
      description: 'Two\nlines',
      price_cents: 350,
      currency: 'EUR',
      stock: 5,
      created_by: ada,
      version: 1,
    })
  })

  for (const [field, value] of [
    ['price_cents', '350'],
    ['price_cents', 3.5],
    ['price_cents', true],
    ['price_cents', -1],
    ['price_cents', 1e12],
    ['price_cents', null],
    ['stock', 1e12],
    ['currency', 'eur'],
    ['currency', 'EUR\n'],
    ['name', ''],
    ['name', 'x'.repeat(201)],
    ['name', 'a\u0000'],
    ['name', '\ud800'],
    ['colour', 'red'],
  ] as const)
    it(`refuses ${field} ${JSON.stringify(value).slice(0, 20)}`, async () => {
      const answer = await create({ [field]: value })
      assert.deepEqual([answer.status, answer.body.errors[0]?.pointer], [422, `/${field}`])
    })

  it('lets only who created a product change or delete it', async () => {
    const { id } = (await create()).body
    assert.equal((await change(id, { stock: 1 }, { as: randomUUID() })).status, 403)
    assert.equal((await products(`/products/${id}`, { method: 'DELETE', as: randomUUID() })).status, 403)
    // `as` left out: the gateway knows no consumer.
    assert.equal((await products(`/products/${id}`, { method: 'DELETE' })).status, 401)
    assert.equal((await products('/products', { body: { name: 'Tea', price_cents: 1 } })).status, 401)
    assert.equal((await products(`/products/${id}`, { method: 'DELETE', as: ada })).status, 204)
    assert.equal((await products(`/products/${id}`)).status, 404)
  })

  it('counts versions, and overwrites nobody who was faster', async () => {
    const { id } = (await create()).body
    assert.equal((await change(id, { price_cents: 351 })).headers.get('etag'), '"2"')
    assert.equal((await change(id, { price_cents: 351 })).body.version, 2)
    const late = await change(id, { price_cents: 99 }, { headers: { 'if-match': '"1"' } })
    assert.deepEqual([late.status, late.headers.get('etag')], [412, '"2"'])
    const answers = await Promise.all([1, 2, 3, 4, 5].map(stock => change(id, { stock })))
    const applied = answers.filter(({ status }) => status === 200).length
    assert.ok(answers.every(({ status }) => status === 200 || status === 409))
    assert.equal((await products(`/products/${id}`)).body.version, 2 + applied)
  })

  it('shows each product once, page by page, while others are created', async () => {
    const mark = randomUUID()
    for (let n = 0; n < 5; n++) await create({ name: `${mark} ${n}` })
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await products(`/products?q=${mark}&limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...body.data.map(({ name }: { name: string }) => name))
      cursor = body.next
      await create({ name: `${mark} later` })
    }
    assert.deepEqual(
      seen,
      [4, 3, 2, 1, 0].map(n => `${mark} ${n}`),
    )
  })

  it('finds by name as it is written, and by who created it', async () => {
    const mark = randomUUID()
    await create({ name: `100% ${mark}` })
    const count = async (query: string, as?: string) =>
      (await products(`/products?${query}`, as ? { as } : {})).body.data.length
    assert.equal(await count(`q=${encodeURIComponent(`100% ${mark.toUpperCase()}`)}`), 1)
    assert.equal(await count(`q=${encodeURIComponent(`%${mark}`)}`), 0)
    assert.equal(await count(`q=${mark}&created_by=me`, ada), 1)
    assert.equal(await count(`q=${mark}&created_by=me`, randomUUID()), 0)
  })

  it('lets a shared cache keep lists for seconds, but not what is for one caller', async () => {
    const list = await products('/products?limit=1')
    assert.equal(list.headers.get('cache-control'), 'public, max-age=0, s-maxage=5')
    const again = await products('/products?limit=1', {
      headers: { 'if-none-match': list.headers.get('etag')! },
    })
    assert.equal(again.status, 304)
    const own = await products('/products?created_by=me', { as: ada })
    assert.equal(own.headers.get('cache-control'), 'private, no-cache')
  })

  it('tells its state without a token of the gateway: health, metrics and its OpenAPI 3.1 document', async () => {
    const get = (path: string) => fetch(`${platform.products.url}${path}`)
    assert.deepEqual(await (await get('/health')).json(), { status: 'ok', database: 'ok', broker: 'ok' })
    assert.match(
      await (await get('/metrics')).text(),
      /sample_http_requests_total\{method="POST",route="\/products",service="products",status="201"\} \d/,
    )
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: object }
    assert.equal(document.openapi, '3.1.0')
    assert.deepEqual(Object.keys(document.paths), ['/products', '/products/{product_id}'])
    // The same for who comes through the gateway, which has no route to /openapi.json.
    assert.deepEqual((await products('/products/openapi.json')).body, document)
  })
})
