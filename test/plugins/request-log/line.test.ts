import assert from 'node:assert/strict'
import type { RequestLogConfig } from '../../../plugins/request-log/config.ts'
import { requestLine } from '../../../plugins/request-log/line.ts'

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
    method: 'GET',
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

  it('has the beginning of a long user agent', () => {
    assert.ok(String(line().user_agent).length <= 200)
  })
})
