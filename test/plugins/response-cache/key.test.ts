import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  createKeyRules,
  type KeyedRequest,
  type KeyOptions,
  Names,
  variantName,
} from '../../../plugins/response-cache/key.ts'
import { parseRequestLine } from '../../../plugins/response-cache/request.ts'

const OPTIONS: KeyOptions = { isShared: false, keyNames: ['apikey'], varyHeaders: [] }
const RULES = createKeyRules(OPTIONS)

const request = (target: string, headers: Record<string, string> = {}, consumer?: string): KeyedRequest => {
  const line = parseRequestLine(`GET ${target} HTTP/1.1`)
  assert.ok(line)
  const all = { host: 'shop', ...headers }
  return { line, headers: all, scheme: 'http', route: 'r', consumer, encoding: 'identity' }
}
const key = (one: KeyedRequest, options: Partial<KeyOptions> = {}) =>
  new Names(one, createKeyRules({ ...OPTIONS, ...options })).primary

describe('the key of a stored answer', () => {
  it('is the same for arguments in another order, and for those of one name only in the same', () => {
    assert.equal(key(request('/a?x=1&y=2')), key(request('/a?y=2&x=1')))
    assert.notEqual(key(request('/a?x=1&x=2')), key(request('/a?x=2&x=1')))
    assert.notEqual(key(request('/a?x=1')), key(request('/a?x=2')))
    assert.notEqual(key(request('/a')), key(request('/a?x')))
  })

  it('differs by scheme, host, route, encoding and the fields that an operator names', () => {
    const one = request('/a')
    assert.notEqual(key(one), key({ ...one, headers: { host: 'other' } }))
    assert.equal(key(one), key({ ...one, headers: { host: 'SHOP' } }))
    assert.notEqual(key(one), key({ ...one, route: 'other' }))
    assert.notEqual(key(one), key({ ...one, encoding: 'br' }))
    assert.notEqual(key(one), key({ ...one, scheme: 'https' }))
    const german = { ...one, headers: { host: 'shop', 'accept-language': 'de' } }
    assert.equal(key(one), key(german))
    assert.notEqual(
      key(one, { varyHeaders: ['accept-language'] }),
      key(german, { varyHeaders: ['accept-language'] }),
    )
  })

  for (const isShared of [false, true])
    it(`differs by what may make another request of it${isShared ? ', also where it is shared' : ''}`, () => {
      const plain = key(request('/a'), { isShared })
      const names = ['x-original-url', 'x-forwarded-host', 'x-http-method-override', 'forwarded', 'x_host']
      for (const name of names)
        assert.notEqual(key(request('/a', { [name]: 'evil' }), { isShared }), plain, name)
      assert.notEqual(key(request('http://evil/a'), { isShared }), plain)
      // The service sees it, and its answer may hold it: a link to the next page.
      assert.notEqual(key(request('/a?apikey=mine'), { isShared }), plain)
    })

  it('holds a key of the query, and shows it to nobody', () => {
    const one = new Names(request('/a?apikey=secret&x=1'), RULES)
    const other = new Names(request('/a?x=1&APIKEY=other'), RULES)
    assert.notEqual(one.primary, other.primary)
    assert.equal(one.target, '/a?x=1')
    assert.ok(!JSON.stringify(one).includes('secret'))
    assert.equal(new Names(request('/a?%61pikey=secret'), RULES).target, '/a')
  })

  it('never gives one user the answer of another, though one consumer stands for both', () => {
    const value = fc.stringMatching(/^[\x20-\x7e]{0,12}$/)
    const name = fc.constantFrom(
      ...['authorization', 'proxy-authorization', 'cookie', 'apikey', 'x-credential-identifier'],
    )
    const credentials = fc.dictionary(name, value, { maxKeys: 3 })
    const query = fc.option(value.map(encodeURIComponent), { nil: undefined })
    const user = fc.record({ credentials, query })
    fc.assert(
      fc.property(user, user, fc.constantFrom('', 'accept', 'accept, cookie'), (a, b, vary) => {
        const nameFor = ({ credentials, query }: typeof a) => {
          const target = query === undefined ? '/me' : `/me?apikey=${query}`
          const { primary } = new Names(request(target, credentials, 'one-consumer'), RULES)
          return variantName(primary, vary === '' ? [] : vary.split(', '), credentials)
        }
        const isSame = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
        assert.equal(nameFor(a) === nameFor(b), isSame)
      }),
      { numRuns: Number(process.env.SLUICE_TEST_CACHE_RUNS ?? 2000) },
    )
  })

  it('leaves consumers and credentials out where one answer is for all', () => {
    const shared = { isShared: true }
    const one = request('/a', { apikey: '1', cookie: 'x', authorization: 'y' }, 'c')
    assert.equal(key(one, shared), key(request('/a'), shared))
    assert.notEqual(key(one), key(request('/a')))
    assert.notEqual(key(request('/a', {}, 'c')), key(request('/a', {}, 'd')))
  })

  it('is read from the request line as nginx has it', () => {
    assert.deepEqual(parseRequestLine('GET http://h:1/a?b=c?d HTTP/1.1'), {
      method: 'GET',
      authority: 'http://h:1',
      target: '/a?b=c?d',
      path: '/a',
      query: 'b=c?d',
    })
    for (const wrong of [
      '',
      'GET',
      'GET / HTTP',
      'OPTIONS * HTTP/1.1',
      'get / HTTP/1.1',
      'GET /\ufffd HTTP/1.1',
    ])
      assert.equal(parseRequestLine(wrong), undefined, wrong)
    assert.equal(parseRequestLine('GET / HTTP/2.0')?.path, '/')
  })
})

const sorted = ({
  credentials,
  query,
}: {
  credentials: Record<string, string>
  query: string | undefined
}) => [Object.entries(credentials).sort(([a], [b]) => (a < b ? -1 : 1)), query ?? null]
