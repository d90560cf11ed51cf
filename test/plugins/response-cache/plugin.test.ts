import assert from 'node:assert/strict'
import { plugin } from '../../../plugins/response-cache/plugin.ts'
import { type Answer, type Harness, type HarnessOptions, startHarness } from '../../../testing/harness.ts'
import type { UpstreamAnswer } from '../../../testing/upstream.ts'
import { until } from '../../support/until.ts'

const PROXY = {
  SLUICE_PROXY_URL: 'http://127.0.0.1:1',
  SLUICE_LOOPBACK_SECRET: 'a secret of the tests, long enough',
}

describe('response-cache in the local gateway', function () {
  this.timeout(30_000)
  let kong: Harness
  let answer: (path: string, count: number) => UpstreamAnswer | Promise<UpstreamAnswer>
  let requests: { method: string; path: string; headers: Record<string, unknown> }[] = []

  const start = async (config: object, options: Partial<HarnessOptions> = {}) => {
    requests = []
    kong = await startHarness(plugin, {
      config: { ...config },
      env: PROXY,
      upstream: ({ method, path, headers }) => {
        requests.push({ method, path, headers })
        return answer(path, requests.length)
      },
      ...options,
    })
  }
  const cacheable = (body: string, headers: object = {}): UpstreamAnswer => ({
    headers: { 'cache-control': 'max-age=60', etag: '"v1"', ...headers },
    body,
  })
  const status = (one: Answer) => String(one.headers['cache-status'])

  beforeEach(() => {
    answer = (_, count) => cacheable(`answer ${count}`)
  })
  afterEach(() => kong?.close())

  it('answers the second request from memory, with its age and without the service', async () => {
    await start({})
    const first = await kong.request('/words?b=2&a=1')
    assert.equal(first.body, 'answer 1')
    assert.equal(status(first), 'Sluice; fwd=miss; stored')
    const second = await kong.request('/words?a=1&b=2')
    assert.equal(second.body, 'answer 1')
    assert.match(status(second), /^Sluice; hit; ttl=\d+$/)
    assert.match(String(second.headers.age), /^\d+$/)
    assert.equal(second.headers.etag, '"v1"')
    assert.equal(second.headers['content-type'], 'application/json')
    assert.equal(requests.length, 1)
  })

  it('tells a client that has the answer so, and answers HEAD from what GET has stored', async () => {
    await start({})
    const miss = await kong.request('/words', { method: 'HEAD' })
    assert.equal(miss.headers['cache-status'], undefined)
    await kong.request('/words')
    const known = await kong.request('/words', { headers: { 'if-none-match': '"v0", W/"v1"' } })
    assert.equal(known.status, 304)
    assert.equal(known.body, '')
    assert.equal(known.headers.etag, '"v1"')
    assert.equal(known.headers['content-length'], String('answer 2'.length))
    const head = await kong.request('/words', { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.headers['content-length'], String('answer 2'.length))
    assert.match(status(head), /hit/)
    assert.equal(requests.length, 2)
  })

  for (const [name, value] of [
    ['if-match', '"v0"'],
    ['if-unmodified-since', 'Sun, 01 Mar 2020 12:00:00 GMT'],
    ['if-range', '"v1"'],
    ['range', 'bytes=0-1'],
  ] as const)
    it(`leaves a request with ${name} to the service`, async () => {
      await start({})
      await kong.request('/words')
      const second = await kong.request('/words', { headers: { [name]: value } })
      assert.equal(second.upstream?.path, '/words')
      assert.equal(second.headers['cache-status'], undefined)
    })

  for (const [why, upstream, detail] of [
    ['a cookie', { headers: { 'cache-control': 'max-age=60', 'set-cookie': 'a=1' } }, 'set-cookie'],
    ['a private answer', { headers: { 'cache-control': 'private, max-age=60' } }, 'private'],
    ['no-store', { headers: { 'cache-control': 'no-store' } }, 'no-store'],
    ['Vary: *', { headers: { 'cache-control': 'max-age=60', vary: 'accept, *' } }, 'vary'],
    ['no lifetime', { headers: {} }, 'no-lifetime'],
    // Its file name is Latin-1.
    [
      'a field that is not UTF-8',
      { headers: { 'cache-control': 'max-age=60', 'content-disposition': 'filename=j\xfcrgen.txt' } },
      'illegible',
    ],
    ['a large body', { headers: { 'cache-control': 'max-age=60' }, body: 'x'.repeat(2000) }, 'too-large'],
  ] as const)
    it(`does not store ${why}, and does not let others wait for it`, async () => {
      answer = () => upstream
      await start({ max_body_bytes: 1000 })
      const first = await kong.request('/words')
      assert.equal(status(first), `Sluice; fwd=miss; detail=${detail}`)
      const second = await kong.request('/words')
      assert.equal(second.headers['cache-status'], undefined)
      assert.equal(requests.length, 2)
    })

  it('stores no counters of limits, CORS and ids, but what it is told to keep', async () => {
    answer = () =>
      cacheable('x', {
        'ratelimit-remaining': '3',
        'access-control-allow-origin': 'https://a',
        'x-request-id': '7',
        'x-model': 'kept',
        'content-language': 'de',
      })
    await start({ keep_headers: ['X-Model'] })
    await kong.request('/words')
    const { headers } = await kong.request('/words')
    assert.equal(headers['ratelimit-remaining'], undefined)
    assert.equal(headers['access-control-allow-origin'], undefined)
    assert.equal(headers['x-request-id'], undefined)
    assert.equal(headers['x-model'], 'kept')
    assert.equal(headers['content-language'], 'de')
  })

  it('keeps variants apart by what Vary names, and encodings by three', async () => {
    answer = (_, count) => cacheable(`answer ${count}`, { vary: 'Accept-Language, Accept-Encoding' })
    await start({})
    const ask = (language: string, encoding: string) =>
      kong.request('/words', { headers: { 'accept-language': language, 'accept-encoding': encoding } })
    assert.equal((await ask('de', 'gzip, deflate')).body, 'answer 1')
    assert.equal(requests[0]?.headers['accept-encoding'], 'gzip')
    assert.equal((await ask('en', 'gzip')).body, 'answer 2')
    assert.equal((await ask('de', 'gzip;q=0.5, x')).body, 'answer 1')
    assert.equal((await ask('de', 'br')).body, 'answer 3')
    assert.equal((await ask('en', 'zstd, gzip')).body, 'answer 2')
  })

  it('invalidates a path by a successful unsafe request, and what its answer names', async () => {
    await start({})
    await kong.request('/words/1')
    await kong.request('/words?page=2')
    assert.match(status(await kong.request('/words/1')), /hit/)
    answer = () => ({ status: 201, headers: { location: '/words/1' } })
    await kong.request('/words', { method: 'POST', body: 'x' })
    answer = (_, count) => cacheable(`answer ${count}`)
    assert.match(status(await kong.request('/words/1')), /miss/)
    assert.match(status(await kong.request('/words?page=2')), /miss/)
  })

  describe('names other paths in the answer to a change:', () => {
    let host: unknown
    const isInvalid = async (status: number, headers: (own: unknown) => Record<string, string>) => {
      answer = (_, count) => cacheable(`answer ${count}`)
      await kong.request('/words/1')
      host = requests.at(-1)?.headers['x-forwarded-host']
      const port = requests.at(-1)?.headers['x-forwarded-port']
      answer = () => ({ status, headers: headers(`${host}:${port}`) })
      assert.equal((await kong.request('/words', { method: 'POST', body: 'x' })).status, status)
      return !/hit/.test(String((await kong.request('/words/1')).headers['cache-status']))
    }
    for (const [what, status, headers, expected] of [
      ['by a path', 201, () => ({ location: '/words/1' }), true],
      ['by a relative path', 200, () => ({ 'content-location': 'words/1' }), true],
      ['by a URL of its own', 303, (own: unknown) => ({ location: `http://${own}/words/1?x#y` }), true],
      ['on another host', 201, () => ({ location: 'http://other.example/words/1' }), false],
      ['on another port', 201, () => ({ 'content-location': 'http://127.0.0.1:1/words/1' }), false],
      ['by what is no URL', 201, () => ({ location: 'http://[' }), false],
      ['where it failed', 500, () => ({ location: '/words/1' }), false],
      ['where it was refused', 409, () => ({ 'content-location': '/words/1' }), false],
    ] as const)
      it(`${expected ? 'invalidates' : 'keeps'} those ${what}`, async () => {
        await start({})
        assert.equal(await isInvalid(status, headers), expected)
      })
  })

  for (const [status, expected] of [
    [204, /miss/],
    [500, /hit/],
  ] as const)
    it(`${status === 204 ? 'invalidates' : 'keeps'} what was fetched during a change that ends with ${status}`, async () => {
      answer = async (_, count) => {
        if (requests[count - 1]?.method !== 'DELETE') return cacheable(`answer ${count}`)
        await kong.request('/words')
        return { status, body: '' }
      }
      await start({})
      assert.equal((await kong.request('/words', { method: 'DELETE' })).status, status)
      assert.match(String((await kong.request('/words')).headers['cache-status']), expected)
    })

  for (const [name, value] of [
    ['if-match', '"v1"'],
    ['if-unmodified-since', 'Sun, 01 Mar 2020 12:00:00 GMT'],
    ['if-none-match', '"v2"'],
    ['accept', 'text/event-stream'],
  ] as const)
    it(`brings the answer to a change with ${name} to the client, and invalidates its path`, async () => {
      await start({})
      await kong.request('/words/1')
      // Measured against the new version, as nginx would, the condition does not hold any more.
      answer = () => ({
        headers: { etag: '"v2"', 'last-modified': 'Mon, 02 Mar 2020 12:00:00 GMT' },
        body: 'changed',
      })
      const changed = await kong.request('/words/1', {
        method: 'PATCH',
        headers: { [name]: value },
        body: 'x',
      })
      assert.deepEqual([changed.status, changed.body], [200, 'changed'])
      answer = (_, count) => cacheable(`answer ${count}`)
      assert.match(status(await kong.request('/words/1')), /miss/)
    })

  it('keeps what is stored where an operator says so', async () => {
    await start({ invalidate: false })
    await kong.request('/words')
    await kong.request('/words', { method: 'DELETE' })
    assert.match(status(await kong.request('/words')), /hit/)
  })

  it('gives a client a fresh answer that asks for it, and 504 where it wants a stored one only', async () => {
    await start({})
    assert.equal((await kong.request('/w', { headers: { 'cache-control': 'only-if-cached' } })).status, 504)
    await kong.request('/w')
    const fresh = await kong.request('/w', { headers: { 'cache-control': 'no-cache' } })
    assert.equal(fresh.body, 'answer 2')
    assert.equal((await kong.request('/w')).body, 'answer 2')
  })

  it('stores nothing for a client that does not want it, and lets none ask for more than an operator does', async () => {
    await start({ client_cache_control: false })
    await kong.request('/w', { headers: { 'cache-control': 'no-store' } })
    assert.match(status(await kong.request('/w', { headers: { 'cache-control': 'no-cache' } })), /hit/)
    await kong.close()
    await start({})
    await kong.request('/w', { headers: { 'cache-control': 'no-store' } })
    assert.match(status(await kong.request('/w')), /miss/)
  })

  it('stands behind the caches before it in Cache-Status', async () => {
    answer = () => cacheable('x', { 'cache-status': 'Origin; hit' })
    await start({})
    assert.equal(status(await kong.request('/w')), 'Origin; hit, Sluice; fwd=miss; stored')
  })

  it('serves a stale answer while it is fetched anew, and the new one then', async () => {
    const control = 'max-age=0, stale-while-revalidate=60'
    answer = (_, count) => cacheable(`answer ${count}`, { 'cache-control': control })
    await start({})
    await kong.request('/w')
    const stale = await kong.request('/w')
    assert.equal(stale.body, 'answer 1')
    assert.match(status(stale), /^Sluice; hit; ttl=-\d+; detail=stale-while-revalidate$/)
    await until(() => requests.length >= 2)
    assert.equal(requests[1]?.headers['if-none-match'], '"v1"')
    assert.equal(requests[1]?.headers['sluice-loopback'], undefined)
    assert.equal(requests[1]?.headers['sluice-cache-fill'], undefined)
    await until(async () => (await kong.request('/w')).body !== 'answer 1')
  })

  it('makes a stale answer fresh again by a 304', async () => {
    answer = (_, count) =>
      count === 1
        ? cacheable('answer 1', { 'cache-control': 'max-age=0' })
        : { status: 304, headers: { etag: '"v1"', 'cache-control': 'max-age=60' }, body: '' }
    await start({ stale_if_error: 60 })
    await kong.request('/w')
    const second = await kong.request('/w')
    assert.equal(second.body, 'answer 1')
    assert.equal(status(second), 'Sluice; fwd=miss; stored')
    assert.match(status(await kong.request('/w')), /hit; ttl=\d+$/)
    assert.equal(requests.length, 2)
  })

  it('takes a 304 for what one client has, which says nothing of the next', async () => {
    answer = (_, count) => (count === 1 ? { status: 304, headers: { etag: '"v1"' } } : cacheable('answer'))
    await start({})
    assert.equal((await kong.request('/w', { headers: { 'if-none-match': '"v1"' } })).status, 304)
    assert.equal(status(await kong.request('/w')), 'Sluice; fwd=miss; stored')
    assert.match(status(await kong.request('/w')), /hit/)
  })

  it('does not make a stale answer fresh by a 304 for another version', async () => {
    const control = 'max-age=0, stale-if-error=60'
    answer = (_, count) =>
      count === 2
        ? { status: 304, headers: { etag: '"v2"', 'cache-control': 'max-age=60' } }
        : cacheable(`answer ${count}`, { 'cache-control': control })
    await start({})
    await kong.request('/w')
    assert.equal((await kong.request('/w')).body, 'answer 3')
  })

  it('lets what came in chunks leave in chunks', async () => {
    answer = () => cacheable('in chunks', { 'transfer-encoding': 'chunked' })
    await start({})
    const first = await kong.request('/w')
    assert.deepEqual([first.body, first.headers['content-length']], ['in chunks', undefined])
    assert.equal((await kong.request('/w')).headers['content-length'], '9')
  })

  it('lets the next answer pass that is too large to be read', async function () {
    this.timeout(120_000)
    const large = Buffer.alloc(68_000_000, 'x')
    answer = () => ({
      headers: { 'cache-control': 'max-age=60', 'transfer-encoding': 'chunked' },
      body: large,
    })
    await start({})
    await kong.request('/w')
    const next = await kong.request('/w')
    assert.deepEqual([next.status, next.body.length], [200, large.length])
  })

  for (const [how, fail] of [
    ['answers 503', () => ({ status: 503 })],
    ['resets', () => Promise.reject(new Error('reset'))],
    ['is too slow', () => new Promise<never>(() => {})],
  ] as const)
    it(`serves a stale answer when the service ${how}`, async () => {
      answer = () => cacheable('answer', { 'cache-control': 'max-age=0, stale-if-error=60' })
      await start({ fill_timeout_ms: 300 })
      await kong.request('/w')
      answer = fail
      for (let i = 0; i < 3; i++) {
        const stale = await kong.request('/w')
        assert.equal(stale.status, 200)
        assert.equal(stale.body, 'answer')
        assert.match(status(stale), /detail=stale-if-error/)
      }
      assert.equal(kong.events.filter(({ type }) => type === 'cache.stale-served.v1').length, 1)
    })

  it('asks the service once for many who want the same at the same time', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    answer = async (_, count) => {
      await held
      return cacheable(`answer ${count}`)
    }
    // Nobody shall give up on a busy machine.
    await start({ fill_timeout_ms: 60_000, follow_client_ms: 60_000 })
    const all = Array.from({ length: 50 }, () => kong.request('/w'))
    await until(() => requests.length > 0)
    release()
    const bodies = (await Promise.all(all)).map(({ body }) => body)
    assert.deepEqual(new Set(bodies), new Set(['answer 1']))
    assert.equal(requests.length, 1)
  })

  it('does not fetch by another scheme than the one that all clients are said to come by', async () => {
    answer = () => cacheable('answer', { 'cache-control': 'max-age=0, stale-while-revalidate=60' })
    await start({ scheme: 'https' })
    await kong.request('/w')
    assert.match(status(await kong.request('/w')), /stale-while-revalidate/)
    await until(() => kong.log.some(line => JSON.stringify(line).includes('another scheme')))
    assert.equal(requests.length, 1)
  })

  it('lets events stream that it has no use for', async () => {
    await start({})
    const one = await kong.request('/w', { headers: { accept: 'text/event-stream' } })
    assert.equal(one.headers['cache-status'], undefined)
    assert.match(await kong.metrics(), /sluice_cache_requests_total\{outcome="bypass"\} 1/)
  })

  it('refuses a configuration that contradicts itself, and names the field', async () => {
    await start({})
    await kong.close()
    await assert.rejects(start({ max_ttl: 0 }), /max_ttl/)
    await start({ stale_if_error: 5 }, { env: {} })
    assert.equal((await kong.request('/w')).status, 500)
    assert.ok(kong.log.some(line => JSON.stringify(line).includes('config.stale_if_error')))
    await kong.close()
    await start({ keep_headers: ['Set-Cookie'] })
    assert.equal((await kong.request('/w')).status, 500)
  })

  it('gives one consumer the answer of another only where it is shared', async () => {
    const consumer = { username: 'eddie' }
    await start({}, { consumer })
    await kong.request('/w', { headers: { apikey: kong.apikey } })
    const other = await kong.request('/w', { headers: { apikey: kong.apikey, authorization: 'Bearer b' } })
    assert.match(status(other), /miss/)
    await kong.close()
    answer = (_, count) => cacheable(`answer ${count}`, { 'cache-control': 'public, max-age=60' })
    await start({ shared: true }, { consumer })
    await kong.request('/w', { headers: { apikey: kong.apikey } })
    const same = await kong.request('/w', { headers: { apikey: kong.apikey, authorization: 'Bearer b' } })
    assert.match(status(same), /hit/)
  })

  it('works over MsgPack:1 as well', async () => {
    await start({}, { protocol: 'MsgPack:1' })
    await kong.request('/w')
    assert.match(status(await kong.request('/w')), /hit/)
  })
})
