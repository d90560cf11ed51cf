import assert from 'node:assert/strict'
import type { RequestLogConfig } from '../../../plugins/request-log/config.ts'
import { isChosen, isRemarkable, requestLine } from '../../../plugins/request-log/line.ts'
import type { RequestSpan } from '../../../plugins/request-log/tracing.ts'

const KEY = 'planted-key'
const CONFIG: RequestLogConfig = {
  ...{ lines: true, sample: 1, slow_ms: 1_000, trace: true, trace_sample: 1 },
  ...{ key_names: ['apikey'], path: 'masked', anonymize_ip: false },
}
/** A request that carries its key wherever one can be. */
const LOG = {
  started_at: 1_800_000_000_000,
  client_ip: '192.0.2.77',
  request: {
    id: '3b65d633fed1e2099fe15257b7258b31',
    method: `GET${KEY}`,
    uri: `/v1/${KEY}/words?apikey=${KEY}&x=1#${KEY}`,
    headers: { host: `${KEY}.example`, apikey: KEY, 'user-agent': `curl ${KEY} ${'x'.repeat(500)}` },
  },
  response: { status: 200 },
  latencies: {},
}
const line = (config: Partial<RequestLogConfig> = {}) =>
  requestLine(LOG as never, { ...CONFIG, ...config }, undefined)

describe('the line of a request', () => {
  for (const path of ['masked', 'full', 'none'] as const)
    it(`holds the key of the request nowhere, with path: ${path}`, () => {
      assert.doesNotMatch(JSON.stringify(line({ path })), new RegExp(KEY))
    })

  it('has the path without its query, what looks like a credential in it, or nothing of it', () => {
    const uri = '/v1/users/sk_live_4eC39HqLyjWDarjtT1zdp7dc?page=2'
    const pathBy = (path: RequestLogConfig['path']) =>
      requestLine({ ...LOG, request: { ...LOG.request, uri } } as never, { ...CONFIG, path }, undefined).path
    assert.equal(pathBy('full'), '/v1/users/sk_live_4eC39HqLyjWDarjtT1zdp7dc')
    assert.match(String(pathBy('masked')), /^\/v1\/users\/[^/]+$/)
    assert.doesNotMatch(String(pathBy('masked')), /sk_live/)
    assert.equal(pathBy('none'), null)
  })

  it('has the network of the client only, where an operator says so', () => {
    assert.equal(line().client_ip, '192.0.2.77')
    assert.equal(line({ anonymize_ip: true }).client_ip, '192.0.2.0')
  })

  it('has the beginning of a long user agent, and no beginning of a key', () => {
    assert.ok(String(line().user_agent).length <= 200)
    const headers = { ...LOG.request.headers, 'user-agent': `${'x'.repeat(195)}${KEY}` }
    assert.equal(of({ request: { ...LOG.request, headers } }).user_agent, `${'x'.repeat(195)}(hidd`)
  })

  const of = (log: object, span?: RequestSpan) => requestLine({ ...LOG, ...log } as never, CONFIG, span)

  it('has no query and no fragment, whatever stands in them', () => {
    for (const uri of ['/words?a', '/words#a', '/words?a\nb'])
      assert.equal(of({ request: { ...LOG.request, uri } }).path, '/words')
  })

  it('names a service, a route and a consumer without a name by what else they have', () => {
    const { service, route, consumer } = of({
      ...{ service: { host: 'words.internal' }, route: { id: 'r1' }, consumer: { id: 'c1' } },
    })
    assert.deepEqual([service, route, consumer], ['words.internal', 'r1', 'c1'])
  })

  it('has the time of a service that was asked only', () => {
    const latencies = { proxy: 0, request: 5 }
    assert.equal(of({ latencies }).latency_upstream_ms, null)
    assert.equal(of({ latencies, tries: [{}] }).latency_upstream_ms, 0)
  })

  it('has the trace of another one who records it, and no span of ours in it', () => {
    const span = { traceId: 'a', spanId: 'b', flags: 1, parentId: undefined }
    const ids = (isForeign: boolean) => {
      const { trace_id: trace, span_id: id } = of({}, { ...span, isForeign })
      return [trace, id]
    }
    assert.deepEqual(ids(false), ['a', 'b'])
    assert.deepEqual(ids(true), ['a', null])
  })
})

describe('whether a request gets a line', () => {
  const failed = { source: 'kong', tries: [{ state: 'failed' }] }
  for (const [what, log, expected] of [
    ['500', { response: { status: 500 } }, true],
    ['503 of Kong', { response: { status: 503 }, source: 'exit' }, true],
    ['499', { response: { status: 499 } }, false],
    ['404', { response: { status: 404 } }, false],
    [
      'a service that did not answer, whatever the client got',
      { ...failed, response: { status: 404 } },
      true,
    ],
    ['more time than is slow', { latencies: { request: 1_001 } }, true],
    ['as much time as is slow', { latencies: { request: 1_000 } }, false],
  ] as const)
    it(`is ${expected ? 'certain' : 'for the sample to say'} with ${what}`, () => {
      assert.equal(isRemarkable({ ...LOG, ...log } as never, 1_000), expected)
    })

  it('is the same each time for one request, and so for the share that is asked for', () => {
    const withId = (id: string, startedAt = 0) => ({ started_at: startedAt, request: { id } }) as never
    const ids = Array.from({ length: 4_000 }, (_, n) => n.toString(16).padStart(32, '0'))
    const chosen = (share: number) => ids.filter(id => isChosen(withId(id), share))
    assert.deepEqual([chosen(0).length, chosen(1).length], [0, 4_000])
    // Ten standard deviations to either side.
    assert.ok(Math.abs(chosen(0.25).length - 1_000) < 280, String(chosen(0.25).length))
    for (const id of ids.slice(0, 100))
      assert.equal(isChosen(withId(id, 1), 0.25), isChosen(withId(id, 2), 0.25))
    // The larger share has all of the smaller.
    assert.ok(chosen(0.25).every(id => isChosen(withId(id), 0.5)))
  })

  it('is by its time where Kong gives it no id', () => {
    const times = Array.from({ length: 1_000 }, (_, n) => ({ started_at: n, request: {} }))
    const chosen = times.filter(log => isChosen(log, 0.5)).length
    assert.ok(chosen > 300 && chosen < 700, String(chosen))
  })
})
