import assert from 'node:assert/strict'
import { createLogger } from '../../foundation/log.ts'
import { Catalogue } from '../../management/catalogue/catalogue.ts'
import type { KongRows } from '../../management/catalogue/offer.ts'
import { DocumentRefused } from '../../management/catalogue/openapi/parse.ts'
import { prefersHtml } from '../../management/catalogue/prefers-html.ts'
import { createCatalogueServer } from '../../management/catalogue/server.ts'
import { holdTimers } from '../support/held-timers.ts'
import { route, service } from './rows.ts'

const documentOf = (...paths: string[]) =>
  JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'Things', version: '1' },
    paths: Object.fromEntries(
      paths.map(path => [path, { get: { responses: { 200: { description: 'ok' } } } }]),
    ),
  })

/** A catalogue over rows and documents that the test holds. */
function hold() {
  const world = {
    now: 1_000_000,
    rows: {
      services: ['a', 'b'].map(name => service(name, { tags: ['openapi:x'] })),
      routes: ['a', 'b'].map(name => route(name, name, { paths: [`/${name}`] })),
      plugins: [],
    } as KongRows | Error,
    documents: new Map([
      ['a', documentOf('/one')],
      ['b', documentOf('/two')],
    ]),
    asked: [] as string[],
  }
  const timers = holdTimers()
  const catalogue = new Catalogue({
    async readRows() {
      if (world.rows instanceof Error) throw world.rows
      return world.rows
    },
    async fetchText({ name }) {
      world.asked.push(name)
      const text = world.documents.get(name)
      if (text === undefined) throw new DocumentRefused('answers 503')
      return text
    },
    now: () => world.now,
    timers,
    log: createLogger('silent'),
  })
  return { world, timers, catalogue }
}

const pathsOf = (catalogue: Catalogue) => Object.keys(catalogue.snapshot?.document.paths ?? {})

describe('the catalogue', () => {
  it('keeps the last good document of a service that is away, and says its age', async () => {
    const { world, catalogue } = hold()
    await catalogue.look()
    world.documents.delete('a')
    world.now += 60_000
    await catalogue.look()
    assert.deepEqual(pathsOf(catalogue), ['/a/one', '/b/two'])
    const [a, b] = catalogue.snapshot!.list.data
    assert.deepEqual(
      [a!.document!.problem, a!.document!.fetched_at],
      ['answers 503', '1970-01-01T00:16:40.000Z'],
    )
    assert.equal(b!.document!.problem, null)
    world.documents.set('a', documentOf('/new'))
    world.now += 1
    await catalogue.look()
    assert.deepEqual(pathsOf(catalogue), ['/a/new', '/b/two'])
    assert.equal(catalogue.snapshot!.list.data[0]!.document!.problem, null)
  })

  it('lists a service whose document cannot be had, with the reason, beside the others', async () => {
    const { world, catalogue } = hold()
    world.documents.set('a', '{"openapi": "3.1.0", "paths": {"/x": {"$ref": "#/paths/~1x"}}}')
    await catalogue.look()
    assert.deepEqual(pathsOf(catalogue), ['/b/two'])
    const [a] = catalogue.snapshot!.list.data
    assert.match(a!.document_problem!, /in a circle/)
    assert.equal(a!.document, null)
  })

  it('asks for a good document once a minute, and for one that failed at each look', async () => {
    const { world, catalogue } = hold()
    world.documents.delete('b')
    for (let look = 0; look < 3; look++) {
      await catalogue.look()
      world.now += 10_000
    }
    assert.deepEqual(world.asked, ['a', 'b', 'b', 'b'])
    world.now += 40_000
    await catalogue.look()
    assert.deepEqual(world.asked.slice(4), ['a', 'b'])
  })

  it('follows Kong, and shows what it saw last while Kong is away', async () => {
    const { world, catalogue } = hold()
    await catalogue.look()
    const rows = world.rows as KongRows
    world.rows = { ...rows, routes: rows.routes.slice(1) }
    await catalogue.look()
    assert.deepEqual(pathsOf(catalogue), ['/b/two'])
    world.rows = new Error('refused')
    world.now += 5_000
    await catalogue.look()
    assert.deepEqual(pathsOf(catalogue), ['/b/two'])
    const { as_of, problem } = catalogue.snapshot!.list
    assert.deepEqual([as_of, problem], ['1970-01-01T00:16:40.000Z', 'Kong cannot be read: refused'])
  })

  it('looks again ten seconds after a look, until it is closed', async () => {
    const { timers, catalogue, world } = hold()
    await catalogue.start()
    world.rows = new Error('gone')
    await timers.advance(10_000)
    assert.match(catalogue.problem!, /gone/)
    catalogue.close()
    assert.deepEqual(timers.asked, [10_000, 10_000])
  })
})

describe('the listener of the catalogue', () => {
  const open = async (catalogue: Parameters<typeof createCatalogueServer>[0]['catalogue']) =>
    createCatalogueServer({ catalogue, appDir: undefined, log: createLogger('silent') })

  it('answers 503 with the reason until Kong was read', async () => {
    const { world, catalogue } = hold()
    world.rows = new Error('refused')
    await catalogue.look()
    const app = await open(catalogue)
    const answer = await app.inject('/')
    assert.equal(answer.statusCode, 503)
    assert.match(answer.json().detail, /Kong cannot be read: refused/)
    assert.equal((await app.inject('/readyz')).statusCode, 503)
    assert.equal((await app.inject('/healthz')).statusCode, 200)
  })

  it('gives JSON or HTML, each with a validator', async () => {
    const { catalogue } = hold()
    await catalogue.look()
    const app = await open(catalogue)
    const json = await app.inject('/')
    assert.equal(json.headers['content-type'], 'application/json; charset=utf-8')
    assert.deepEqual(
      json.json().data.map(({ name }: { name: string }) => name),
      ['a', 'b'],
    )
    const page = await app.inject({ url: '/', headers: { accept: 'text/html,*/*;q=0.8' } })
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
    assert.equal(page.headers.vary, 'accept')
    for (const url of ['/', '/docs', '/docs/openapi.json', '/docs/style.css']) {
      const { headers } = await app.inject(url)
      const again = await app.inject({ url, headers: { 'if-none-match': String(headers.etag) } })
      assert.equal(again.statusCode, 304, url)
    }
  })

  it('escapes what services call themselves', async () => {
    const { world, catalogue } = hold()
    world.rows = {
      services: [service('<img src=x>', { id: 'a', tags: ['openapi:x'] })],
      routes: [route('r', 'a', { paths: ['/<b>'], hosts: ['"><i>.example'] })],
      plugins: [],
    }
    await catalogue.look()
    const app = await open(catalogue)
    for (const url of ['/', '/docs']) {
      const { body } = await app.inject({ url, headers: { accept: 'text/html' } })
      assert.doesNotMatch(body, /<img|<b>|<i>/)
    }
  })

  it('takes no other method and has nothing else', async () => {
    const { catalogue } = hold()
    const app = await open(catalogue)
    assert.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 405)
    assert.equal((await app.inject('/app/')).statusCode, 404)
  })
})

describe('the Accept field', () => {
  const cases: [accept: string | undefined, html: boolean][] = [
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/html', true],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['application/json, text/html;q=0.5', false],
    ['text/*;q=0.3, application/json;q=0.2', true],
    ['text/html;q=0, */*', false],
    ['text/html;q=nonsense', false],
  ]
  for (const [accept, html] of cases)
    it(`${accept} asks for ${html ? 'HTML' : 'JSON'}`, () => assert.equal(prefersHtml(accept), html))
})
