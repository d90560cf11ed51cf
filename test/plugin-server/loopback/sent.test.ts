import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { Loopback, type OuterRequest } from '../../../plugin-server/loopback/loopback.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { LoopbackRequest, Store } from '../../../sdk/sdk.ts'
import { type Service, START_MS, sharedRedis } from '../../support/services.ts'
import { createTestClock } from '../../support/test-clock.ts'

const OUTER: OuterRequest = { headers: {}, clientIp: '192.0.2.1', origin: undefined }

interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
}

/** Processes of one gateway, whose time stands still. */
function createProcess(store: Pick<Store, 'kind' | 'run'>, sent: Sent[]): Loopback {
  return new Loopback({
    ...{ store, clock: createTestClock(), proxyUrl: () => 'http://kong:8000/' },
    secret: 'a secret of the tests, at least 32 characters',
    async call(url, { method, headers, body }) {
      sent.push({ url, method, headers, body })
      return { status: 200, headers: {}, body: new Uint8Array(0) }
    },
  })
}

describe('what is sent as an internal request', () => {
  const store = new MemoryStore({ clock: createTestClock(), metrics: createMetrics() })
  let sent: Sent[]
  let loopback: Loopback
  beforeEach(() => {
    sent = []
    loopback = createProcess(store, sent)
  })
  const send = async (request: Partial<LoopbackRequest>, outer: Partial<OuterRequest> = {}) => {
    await loopback.send({ purpose: 'part', target: '/a', ...request }, { ...OUTER, ...outer })
    const [last] = sent.splice(0)
    assert.ok(last)
    const { 'sluice-loopback': stamp, ...headers } = last.headers
    return { ...last, headers, stamp: String(stamp), all: last.headers }
  }

  it('has of the client’s fields what says who asks for what, and nothing of its body, connection or copy', async () => {
    const passedOn = {
      ...{ host: 'shop.example', authorization: 'Bearer a', apikey: 'k', accept: 'text/html' },
      ...{
        'accept-language': 'de',
        'user-agent': 'curl',
        traceparent: 't',
        'x-mine': '1',
        ifx: '1',
        tea: '1',
      },
    }
    const own = {
      ...{ connection: 'x-mine', 'keep-alive': '5', te: 'trailers', trailer: 'x', upgrade: 'h2c' },
      ...{ 'transfer-encoding': 'chunked', expect: '100-continue', 'content-length': '5', range: 'bytes=0-' },
      ...{ 'content-type': 'a/b', 'if-none-match': '"x"', 'if-range': '"x"', 'accept-encoding': 'gzip' },
      ...{ via: '1.1 a', 'x-real-ip': '203.0.113.9', 'x-forwarded-for': '203.0.113.9' },
      ...{ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil', 'x-kong-request-id': '1' },
      ...{ 'sluice-token': 'forged', 'sluice-cache-fill': 'forged', 'sluice-loopback': 'forged' },
    }
    const { headers, stamp } = await send({}, { headers: { ...own, ...passedOn } })
    assert.deepEqual(headers, { ...passedOn, 'x-forwarded-for': '192.0.2.1' })
    assert.notEqual(stamp, 'forged')
  })

  it('joins the lines of a field as that field has it', async () => {
    const { headers } = await send({}, { headers: { cookie: ['a=1', 'b=2'], accept: ['a/b', 'c/d'] } })
    assert.deepEqual([headers.cookie, headers.accept], ['a=1; b=2', 'a/b, c/d'])
  })

  it('names the client of the first request, and how many stand between', async () => {
    const origin = { purpose: 'part', clientIp: '198.51.100.7', depth: 2 } as const
    const { headers, all, stamp } = await send({ purpose: 'refresh' }, { origin })
    assert.equal(headers['x-forwarded-for'], '198.51.100.7')
    const accepted = await loopback.accept(stamp, { method: 'GET', target: '/a' }, all)
    assert.deepEqual(accepted, { purpose: 'refresh', clientIp: '198.51.100.7', depth: 3 })
  })

  it('is what the plugin asks for', async () => {
    const headers = { 'x-mine': 'other', 'if-none-match': '"y"' }
    const outer = { headers: { 'x-mine': 'client' } }
    const asked = await send({ method: 'POST', target: '/b?c=1', body: 'text', headers }, outer)
    assert.deepEqual([asked.url, asked.method, asked.body], ['http://kong:8000/b?c=1', 'POST', 'text'])
    assert.deepEqual([asked.headers['x-mine'], asked.headers['if-none-match']], ['other', '"y"'])
  })

  it('goes to a path of the proxy only', () => {
    for (const target of ['', 'a', '//evil/x', 'http://evil/', '/\\evil', '/a b', '/a\r\nx: y', '/a\tb'])
      assert.throws(() => loopback.send({ purpose: 'part', target }, OUTER), {
        code: 'SLUICE_LOOPBACK_REFUSED',
      })
  })
})

describe('an internal request of one of several processes', () => {
  let redis: Service
  let store: Store
  before(async function () {
    this.timeout(START_MS)
    redis = await sharedRedis()
    store = createStore(
      { redisUrl: [redis.url], redisDeadlineMs: 60_000 },
      { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') },
    )
    assert.ok(await store.ready(60_000))
  })
  after(() => store.close())

  it('is recognised by any of them, by one of them once, and leaves nothing behind', async () => {
    const sent: Sent[] = []
    const [maker, other, third] = [1, 2, 3].map(() => createProcess(store, sent))
    await maker?.send({ purpose: 'part', target: '/a' }, OUTER)
    const headers = sent[0]?.headers ?? {}
    const accept = (process: Loopback | undefined) =>
      process?.accept(String(headers['sluice-loopback']), { method: 'GET', target: '/a' }, headers)
    // At once, since Redis forgets a stamp by its own clock.
    const accepted = await Promise.all([other, third, maker, other].map(accept))
    assert.deepEqual(accepted.filter(Boolean), [{ purpose: 'part', clientIp: '192.0.2.1', depth: 1 }])
    const [nonce] = Buffer.from(String(headers['sluice-loopback']).split('.')[0] ?? '', 'base64url')
      .toString()
      .split(' ')
    const client = new Redis(redis.url)
    try {
      const leftMs = await client.pttl(`{sluice:loopback:${nonce}}`)
      // -1 would be for ever; on a slow machine it may have gone by now (-2).
      assert.ok(leftMs !== -1 && leftMs <= 10_000, String(leftMs))
    } finally {
      client.disconnect()
    }
  })
})
