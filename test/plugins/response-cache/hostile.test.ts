import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { plugin as aggregate } from '../../../plugins/aggregate/plugin.ts'
import { createKeyRules, Names } from '../../../plugins/response-cache/key.ts'
import { type FillMark, toHeader } from '../../../plugins/response-cache/mark.ts'
import { plugin as responseCache } from '../../../plugins/response-cache/plugin.ts'
import { parseRequestLine } from '../../../plugins/response-cache/request.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { freePort } from '../../support/ports.ts'
import { connectRaw } from '../../support/raw-http.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

const ROUTE = '7c1a6a0e-2f2e-4f63-9d7c-3c8f6f0f7a02'

describe('a hostile client of response-cache', () => {
  let gateway: EdgeGateway
  let service: TestUpstream
  let port: number
  let seen: IncomingMessage[] = []

  /** Answers with all that it saw: whatever is stored shows who asked. */
  const reflect = ({ method, url, headers }: IncomingMessage) =>
    JSON.stringify({ method, url, host: headers.host, headers })

  before(async () => {
    service = await startUpstream((request, response) => {
      seen.push(request)
      const control = request.url?.includes('private') ? 'private, max-age=60' : 'public, max-age=60'
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': control })
      response.end(reflect(request))
    })
    port = await freePort()
    gateway = await startEdgeGateway({
      plugins: [responseCache, aggregate],
      proxyPort: port,
      env: {
        SLUICE_PROXY_URL: `http://127.0.0.1:${port}`,
        SLUICE_LOOPBACK_SECRET: 'a secret of the tests, at least 32 characters',
      },
    })
    await gateway.admin('POST', '/services', { name: 'shop', url: service.url })
    await gateway.admin('PUT', `/routes/${ROUTE}`, {
      paths: ['/shop'],
      strip_path: false,
      service: { name: 'shop' },
    })
    await gateway.admin('POST', `/routes/${ROUTE}/plugins`, {
      name: 'response-cache',
      config: { shared: true },
    })
    await gateway.admin('POST', '/routes', { name: 'whole', paths: ['/whole'] })
    const parts = [{ name: 'a', path: '/shop/part-{query.n}' }]
    await gateway.admin('POST', '/routes/whole/plugins', { name: 'aggregate', config: { parts } })
  })
  after(async () => {
    await gateway.close()
    await service.close()
  })
  beforeEach(() => {
    seen = []
  })

  async function raw(line: string, fields: Readonly<Record<string, string>> = {}) {
    const client = await connectRaw(port)
    const all = Object.entries({ host: 'shop.example', connection: 'close', ...fields })
    client.write(`${line} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    const text = await client.closed
    const head = text.slice(0, text.indexOf('\r\n\r\n'))
    return {
      status: Number(text.slice(9, 12)),
      cache: /^cache-status: (.*)$/im.exec(head)?.[1] ?? '',
      text,
    }
  }

  for (const [name, value] of Object.entries({
    'x-original-url': '/evil',
    'x-rewrite-url': '/evil',
    'x-http-method-override': 'DELETE',
    'x-forwarded-host': 'evil.example',
    forwarded: 'host=evil.example',
    x_original_url: '/evil',
  }))
    it(`plants no answer for others by ${name}`, async () => {
      const path = `/shop/${name}`
      await raw(`GET ${path}`, { [name]: value })
      const victim = await raw(`GET ${path}`)
      assert.equal(victim.status, 200)
      assert.ok(!victim.text.includes('evil') && !victim.text.includes('DELETE'), victim.text)
    })

  it('plants no answer by a key in the query, which the service may write into its links', async () => {
    await raw('GET /shop/items?apikey=evil')
    const victim = await raw('GET /shop/items')
    assert.ok(!victim.text.includes('evil'))
  })

  it('plants no answer by a URL in the request line, whose host Kong tells the service', async () => {
    await raw('GET http://evil.example/shop/host')
    const victim = await raw('GET /shop/host')
    assert.equal(victim.status, 200)
    assert.ok(!victim.text.includes('evil'))
  })

  it('gets no answer of another path, however a path is written', async () => {
    const paths = [
      '/shop/a/b',
      '/shop/a%2fb',
      '/shop/a//b',
      '/shop/c/../a/b',
      '/shop/a/./b',
      '/shop/a/b;x',
      '/shop/a/b/',
    ]
    for (const path of paths) {
      const first = await raw(`GET ${path}`)
      const second = await raw(`GET ${path}`)
      const body = (text: string) => /\{.*\}/s.exec(text)?.[0]
      assert.equal(body(second.text), body(first.text))
    }
    // What is the same for Kong may be stored twice; nothing is answered by what was asked for otherwise.
    const urls = seen.map(({ url }) => url)
    for (const url of new Set(urls)) assert.ok(urls.filter(one => one === url).length <= paths.length)
  })

  it('does not deceive the cache by a file name: what is private is stored nowhere', async () => {
    await raw('GET /shop/private/me.css', { authorization: 'Bearer victim' })
    const thief = await raw('GET /shop/private/me.css')
    assert.ok(!thief.text.includes('victim'))
  })

  /** What a fetch of ours would carry whose answer is to be stored as that of the target. */
  function markFor(target: string): FillMark {
    const line = parseRequestLine(`GET ${target} HTTP/1.1`)
    assert.ok(line)
    const headers = { host: `127.0.0.1:${port}` }
    const request = { line, headers, scheme: 'http', route: ROUTE, consumer: undefined } as const
    const { primary, path, host } = new Names(
      { ...request, encoding: 'identity' },
      createKeyRules({ isShared: true, keyNames: ['apikey'], varyHeaders: [] }),
    )
    return {
      ...{ kind: 'fill', flight: primary, primary, path, scheme: 'http', host, target },
      ...{ generation: '', sequence: 0, token: 't', startedAtMs: Date.now() },
    }
  }

  for (const [how, path] of [
    ['', '/shop/evil'],
    [', though it comes through an aggregate', '/whole?n=evil'],
  ] as const)
    it(`stores nothing under the name of another request by a mark of his own${how}`, async () => {
      const target = `/shop/target-of-${path.slice(1, 5)}`
      const planted = await fetch(gateway.proxyUrl + path, {
        headers: { 'sluice-cache-fill': toHeader(markFor(target)), 'accept-encoding': 'identity' },
      })
      assert.equal(planted.status, 200)
      assert.equal(seen[0]?.headers['sluice-cache-fill'], undefined)
      const victim = await fetch(gateway.proxyUrl + target, { headers: { 'accept-encoding': 'identity' } })
      assert.equal(((await victim.json()) as { url: string }).url, target)
    })
})
